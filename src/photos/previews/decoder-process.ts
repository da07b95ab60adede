import { join } from "node:path";
import { TooMuch, TooSlow } from "../../images/unreadable.ts";
import { type Answer, type DecodeJob, type Ended, linesOf, type Made } from "./decoder-messages.ts";

/** This same program, from its sources or as one executable. */
const program = Bun.isStandaloneExecutable
  ? [process.execPath]
  : [process.execPath, join(import.meta.dir, "../../../cli/main.ts")];

const spawn = () =>
  Bun.spawn([...program, "decode-pictures"], {
    // Nothing of the server's surroundings: no secrets, and no env file that would be read at the start.
    cwd: "/",
    // The kernel ends it with the server, also while it computes and would not hear that its input ended.
    env: { BUN_FEATURE_FLAG_NO_ORPHANS: "1" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });

/** A process that decodes one picture after the other. Whatever a picture does to it, it can be killed. */
export class DecoderProcess {
  readonly #child = spawn();
  readonly #lines = linesOf(this.#child.stdout);
  #cause: Error | null = null;
  #hasBegun = false;

  constructor() {
    this.#child.unref();
  }

  /** Nothing can be asked of it any more. */
  get isOver(): boolean {
    return this.#cause !== null || this.#child.killed;
  }

  /** It ended during its last job before it looked at the picture, whose fault that is not, then. */
  get diedIdle(): boolean {
    return !this.#hasBegun && this.#cause === null;
  }

  /**
   * Has a picture decoded. After a failure the process is no more.
   * @param made is waited for before more is heard
   * @param deadline milliseconds after which the process is killed
   * @throws TooSlow, TooMuch when the process died, or what it was killed with
   */
  async ask(job: DecodeJob, made: (one: Made) => Promise<void>, deadline: number): Promise<Ended> {
    const late = setTimeout(() => void this.kill(new TooSlow("It takes too long to decode")), deadline);
    this.#hasBegun = false;
    try {
      await this.#send(job);
      return await this.#hear(made);
    } catch (error) {
      await this.kill();
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  /** @param cause what the job that is being done fails with */
  async kill(cause?: Error): Promise<void> {
    this.#cause ??= cause ?? null;
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  async #send(job: DecodeJob): Promise<void> {
    try {
      this.#child.stdin.write(`${JSON.stringify(job)}\n`);
      await this.#child.stdin.flush();
    } catch {
      // It is gone, which is heard next.
    }
  }

  async #hear(made: (one: Made) => Promise<void>): Promise<Ended> {
    for (;;) {
      const line = await this.#lines.next();
      if (line.done) throw this.#cause ?? new TooMuch("The process that decoded it died");
      const answer = JSON.parse(line.value) as Answer;
      if ("ended" in answer) return answer;
      if ("made" in answer) await made(answer);
      else this.#hasBegun = true;
    }
  }
}
