import { Cron } from "croner";
import { z } from "zod";

const timeOfDay = /^([01]?\d|2[0-3]):([0-5]\d)(?: daily)?$/i;

function isPattern(text: string): boolean {
  try {
    return text.split(/\s+/).length === 5 && new Cron(text).nextRun() !== null;
  } catch {
    return false;
  }
}

/** Reads when something is done: `03:30`, a cron pattern of five fields, or `off`; as a cron pattern, or null. */
export const schedule: z.ZodType<string | null, string> = z.string().transform((value, context) => {
  const text = value.trim();
  if (/^(off|never)$/i.test(text)) return null;
  const [, hour, minute] = timeOfDay.exec(text) ?? [];
  if (hour !== undefined) return `${Number(minute)} ${Number(hour)} * * *`;
  if (isPattern(text)) return text;
  context.addIssue({
    code: "custom",
    message: "must be a time of day such as 03:30, a cron pattern of five fields, or off",
  });
  return z.NEVER;
});
