import { z } from "zod";

/** An account. Its address is looked up when the mail is sent, and stands in no job. */
const account = z.object({ ownerId: z.uuid() });
/** ADMIN_EMAIL; without it the oldest account. */
const admin = z.literal("admin");
/** Bytes. */
const bytes = z.number().nonnegative();

/**
 * Every mail that jobs send: its template, whom it goes to, and what the template has to be told. Tokens are none of
 * that: they are derived when the mail is sent.
 */
export const mail = z.discriminatedUnion("template", [
  z.object({ template: z.literal("password-reset"), to: account }),
  z.object({
    template: z.literal("invitation"),
    // Somebody who has no account yet.
    to: z.object({ address: z.string() }),
    /** How long the invite is good once the mail is handed over. */
    values: z.object({ days: z.int().positive() }),
  }),
  z.object({
    template: z.literal("export-ready"),
    to: account,
    values: z.object({
      format: z.string(),
      size: bytes,
      /** Where to download it; null where only the app can. */
      link: z.url().nullable(),
      /** Until when. */
      expires: z.iso.datetime(),
    }),
  }),
  z.object({
    template: z.literal("new-device"),
    to: account,
    values: z.object({ device: z.string(), platform: z.string(), at: z.iso.datetime() }),
  }),
  z.object({
    template: z.literal("backup-failed"),
    to: admin,
    values: z.object({
      /** The instant that the newest backup shows; null when none could be found. */
      newest: z.iso.datetime().nullable(),
      /** Nothing of what people wrote. */
      problem: z.string(),
    }),
  }),
  z.object({
    template: z.literal("storage-nearly-full"),
    to: admin,
    values: z.object({ disk: z.enum(["DATA_DIR", "BACKUP_DIR"]), free: bytes, total: bytes }),
  }),
]);
export type Mail = z.infer<typeof mail>;
export type Recipient = Mail["to"];

/** A mail that brings a token. */
export type TokenMail = Extract<Mail, { template: "password-reset" | "invitation" }>;

export const bringsToken = (mail: Mail): mail is TokenMail =>
  mail.template === "password-reset" || mail.template === "invitation";
