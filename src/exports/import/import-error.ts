/**
 * Why an account was not imported; it is as it was. `refused`: the file, or the account, is of the wrong kind. `damaged`:
 * the file is not what was exported. The message is for an administrator, a line a problem.
 */
export class ImportError extends Error {
  constructor(
    readonly problem: "refused" | "damaged",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Text from a file as part of a message: nothing in it moves a terminal's cursor, and it is no longer than a line or two. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.slice(0, 300).replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, "\ufffd");
}
