import { plainText } from "../http/text-schema.ts";

/** What a person is called, trimmed. */
export const displayName = plainText(0, 1000)
  .transform((text) => text.trim())
  .pipe(plainText(1, 100))
  .meta({ minLength: 1, maxLength: 100 });
