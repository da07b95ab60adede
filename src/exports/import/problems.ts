import { ImportError, printable } from "./import-error.ts";

/** Problems that are told one by one. */
const mostTold = 20;

/** Something in a file that cannot be taken. */
export interface Problem {
  /** Name in the archive. */
  readonly file: string;
  /** Place in the file's list, from 1; null when it is about the file as a whole. */
  readonly row: number | null;
  readonly message: string;
}

/** `place-visits.json, row 3: notes: must be text` */
export const inWords = ({ file, row, message }: Problem): string =>
  printable(`${file}${row === null ? "" : `, row ${row}`}: ${message}`);

/** What is wrong with an archive: reasons to refuse it, or what is left out when it is to be salvaged. */
export class Problems {
  readonly told: Problem[] = [];
  count = 0;

  constructor(readonly salvages: boolean) {}

  /** @throws ImportError once there are more than anybody reads: the rest of the file is not looked at */
  add(problem: Problem): void {
    this.count++;
    if (this.told.length < mostTold) this.told.push(problem);
    if (!this.salvages && this.count >= mostTold) this.refuse();
  }

  /** Comes to an end when something is wrong. @throws ImportError, unless what is wrong is to be left out */
  refuse(): void {
    if (this.salvages || this.count === 0) return;
    const first = this.count >= mostTold ? `, the first ${mostTold} of its problems:` : ":";
    const lines = this.told.map((problem) => `  ${inWords(problem)}`);
    const advice = "Mend the file, or add --salvage to leave out what cannot be taken.";
    throw new ImportError(
      "damaged",
      [`The file is damaged or was changed${first}`, ...lines, advice].join("\n"),
    );
  }
}
