import { InvalidArgumentError } from "commander";

/** Reads an option that is a number of something. */
export function wholeNumber(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It has to be a whole number.");
}
