import { z } from "zod";
import { plainText } from "../http/text-schema.ts";

/**
 * What HTML calls a valid e-mail address. ASCII only, so that upper and lower case mean the same in every locale
 * of the database. Source: HTML Living Standard, section "Email state".
 */
const pattern =
  /^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

/** Longest address that fits a mail's path. Source: RFC 5321, section 4.5.3.1.3, less the angle brackets. */
const longest = 254;

/** An email address for a new account: trimmed, otherwise kept as typed. */
export const emailAddress = z
  .string("must be text")
  .trim()
  .max(longest, `must have at most ${longest} characters`)
  .regex(pattern, "must be an email address");

/** An email to look an account up by. What no account can have simply finds none. */
export const givenEmail = plainText(0, 1000).transform((text) => text.trim());
