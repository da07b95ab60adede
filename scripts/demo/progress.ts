/** Shows how far the demo is: one line that changes on a terminal, a line per step elsewhere. */
export class Progress {
  #shown = "";
  readonly #terminal = process.stdout.isTTY === true;

  /** A new step. */
  step(text: string): void {
    if (this.#terminal) this.#rewrite(text);
    else if (text !== this.#shown) console.log(text);
    this.#shown = text;
  }

  /** How far a step is; told on a terminal only. */
  count(text: string, done: number, total: number): void {
    if (this.#terminal) this.#rewrite(`${text} ${bar(done, total)} ${done} of ${total}`);
    else if (done === total) console.log(`${text}: ${total}`);
  }

  /** Leaves the line as it stands. */
  end(): void {
    if (this.#terminal && this.#shown) process.stdout.write("\r\x1b[2K");
    this.#shown = "";
  }

  #rewrite(text: string): void {
    const width = (process.stdout.columns ?? 80) - 1;
    process.stdout.write(`\r\x1b[2K${text.slice(0, width)}`);
    this.#shown = text;
  }
}

function bar(done: number, total: number): string {
  const filled = Math.round((done / Math.max(total, 1)) * 20);
  return `[${"#".repeat(filled)}${".".repeat(20 - filled)}]`;
}
