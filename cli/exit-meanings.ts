/** What the program's exit codes mean, for people; after BSD sysexits.h. */
export const exitMeanings: readonly (readonly [code: number, meaning: string])[] = [
  [0, "Done as asked."],
  [1, "It could not be done, or something was found that needs attention; the message says what."],
  [64, "The command line is wrong."],
  [69, "Something that is needed is not available: the database, the storage, the port."],
  [70, "A defect of the program."],
  [73, "A file or a backup cannot be written: the disk is full, or the place refuses."],
  [75, "Another backup is being made; try again later."],
  [78, "The configuration is wrong, or the passphrase or key of a backup."],
  [130, "Ended by Ctrl-C; 143: by another signal."],
];
