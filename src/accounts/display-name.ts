import { z } from "zod";
import { plainText } from "../http/text-schema.ts";

/** What a person is called, trimmed. */
export const displayName = plainText(0, 1000)
  .transform((text) => text.trim())
  .pipe(plainText(1, 100))
  .register(z.globalRegistry, { minLength: 1, maxLength: 100 });
