/**
 * RFC 3339 with what phones really send: up to nine fractional digits, any offset, lower-case letters. The
 * seconds may be missing; the offset may not, since an instant without one is a guess.
 */
const pattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)$/;

const earliest = Date.parse("0001-01-01T00:00:00Z");
const millisOf400Years = Date.UTC(2400, 0) - Date.UTC(2000, 0);
const latest = Date.parse("9999-12-31T23:59:59.999Z");

/** Milliseconds of a calendar date at midnight UTC; null for a date that no calendar has, such as 30 February. */
function dateMillis(year: number, month: number, day: number): number | null {
  if (month < 1 || month > 12 || day < 1 || day > 31) return null;
  // Date.UTC() takes years below 100 for those of the twentieth century; 400 years are always as many days.
  const millis = Date.UTC(year + 400, month - 1, day) - millisOf400Years;
  return day <= 28 || new Date(millis).getUTCDate() === day ? millis : null;
}

function offsetMillis(
  sign: string | undefined,
  hours: string | undefined,
  minutes: string | undefined,
): number | null {
  if (sign === undefined) return 0;
  if (Number(hours) > 18 || Number(minutes ?? 0) > 59) return null;
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes ?? 0)) * 60_000;
}

/**
 * Reads an instant, cut (not rounded) to milliseconds.
 * @returns milliseconds since 1970, or null when the text is no instant of the years 1 to 9999.
 */
export function readInstant(text: string): number | null {
  const match = pattern.exec(text);
  if (!match) return null;
  const [, year, month, day, hour, minute, second = "0", fraction = "", sign, offsetHours, offsetMinutes] =
    match;
  const date = dateMillis(Number(year), Number(month), Number(day));
  const offset = offsetMillis(sign, offsetHours, offsetMinutes);
  if (date === null || offset === null || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59)
    return null;
  const time = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000;
  const millis = date + time + Number(fraction.slice(0, 3).padEnd(3, "0")) - offset;
  return millis >= earliest && millis <= latest ? millis : null;
}

/** Whether a text is an instant in its one spelling already: then nothing is left to be done. Costs a third of reading it. */
export function isInOneSpelling(text: string): boolean {
  if (text.length !== 24) return false;
  const millis = Date.parse(text);
  return millis >= earliest && formatInstant(millis) === text;
}

/** The one spelling of an instant in answers and in comparisons: UTC, `Z`, milliseconds. */
export function formatInstant(millis: number): string {
  return new Date(millis).toISOString();
}
