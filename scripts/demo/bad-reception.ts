import type { Network } from "../../test/support/phone-transport.ts";
import type { Progress } from "./progress.ts";

/** A phone's network: it loses answers on demand, and waits as long as a rate limit asks for. */
export class BadReception {
  #toDrop = 0;

  constructor(readonly progress: Progress) {}

  /** The next answer is lost, after the server has done what was asked. */
  dropNextAnswer(): void {
    this.#toDrop++;
  }

  readonly network: Network = async (request) => {
    for (;;) {
      const answer = await fetch(request.clone() as Request, { signal: AbortSignal.timeout(60_000) });
      if (answer.status === 429) {
        await this.#wait(Number(answer.headers.get("retry-after") ?? 5));
        continue;
      }
      if (this.#toDrop === 0) return answer;
      this.#toDrop--;
      await answer.arrayBuffer();
      throw new Error("the answer was lost");
    }
  };

  async #wait(seconds: number): Promise<void> {
    const pause = Math.min(Math.max(1, seconds), 120);
    this.progress.step(`The server's rate limit asks for ${pause} s of patience`);
    await Bun.sleep(pause * 1_000);
  }
}
