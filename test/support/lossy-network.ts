import type { Network } from "./phone-transport.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** How often each mishap befalls a request, 0 to 1. */
export interface Mishaps {
  /** Carried out, but the answer never arrives. */
  lostAnswer: number;
  /** Never reaches the server. */
  lostRequest: number;
  /** Sent twice at the same time; one of the two answers arrives. */
  twice: number;
  /** Carried out, and once more some time later, unnoticed by the phone. */
  late: number;
  /** Upper bound of a random delay, in milliseconds. */
  delay: number;
}

export const ROUGH: Mishaps = { lostAnswer: 0.12, lostRequest: 0.05, twice: 0.1, late: 0.15, delay: 15 };

/** A mobile network: whatever can happen to a request on its way happens, by chance. */
export class LossyNetwork {
  calm = false;
  readonly happened = { lostAnswer: 0, lostRequest: 0, twice: 0, late: 0 };
  readonly #late = new Set<Promise<unknown>>();

  constructor(
    readonly random: SeededRandom,
    readonly mishaps: Mishaps = ROUGH,
  ) {}

  readonly network: Network = async (request) => {
    if (this.calm || new URL(request.url).pathname.includes("/auth/")) return fetch(request);
    if (this.mishaps.delay > 0) await Bun.sleep(this.random.int(0, this.mishaps.delay));
    switch (this.#mishap()) {
      case "lostRequest":
        throw new Error("the request was lost");
      case "lostAnswer":
        await (await fetch(request)).arrayBuffer();
        throw new Error("the answer was lost");
      case "twice":
        return this.#twice(request);
      case "late":
        this.#sendLater(request.clone() as Request);
        return fetch(request);
      default:
        return fetch(request);
    }
  };

  /** Waits until no late copy is under way any more. */
  async settled(): Promise<void> {
    while (this.#late.size > 0) await Promise.all(this.#late);
  }

  #mishap(): keyof LossyNetwork["happened"] | null {
    let dice = this.random.next();
    for (const name of ["lostAnswer", "lostRequest", "twice", "late"] as const) {
      dice -= this.mishaps[name];
      if (dice >= 0) continue;
      this.happened[name]++;
      return name;
    }
    return null;
  }

  async #twice(request: Request): Promise<Response> {
    const copy = request.clone() as Request;
    const first = this.random.chance(0.5);
    const [one, other] = await Promise.all([fetch(request), fetch(copy)]);
    await (first ? other : one).arrayBuffer();
    return first ? one : other;
  }

  #sendLater(request: Request): void {
    const wait = this.random.int(1, 300);
    const sent = Bun.sleep(wait)
      .then(() => fetch(request))
      .then((answer) => answer.arrayBuffer())
      // The server may be away just then; nobody waits for this answer.
      .catch(() => undefined)
      .finally(() => this.#late.delete(sent));
    this.#late.add(sent);
  }
}
