import type { Tally } from "../http/request-state.ts";
import { type Call, groupOf } from "./groups.ts";
import type { Counted } from "./limit.ts";
import type { Limits } from "./limits.ts";
import { type Countable, networkOf } from "./network.ts";
import { limitHeaders, type Standing, tightest, tooMany } from "./standing.ts";

/** What a request is before anybody has looked into it. */
export type Arrival = "ordinary" | "link" | "probe";

/**
 * What is counted of one request. It counts for its address until it has proven whose it is: so whoever sends made-up
 * tokens is refused before the database is asked, and a household whose phones share an address is not.
 */
export class RequestTally implements Tally {
  readonly #network: Countable;
  /** Counted for good. */
  readonly #standings: Standing[] = [];
  /** Counted for the address, for now. */
  #unproven: Counted | undefined;

  constructor(
    private readonly limits: Limits,
    address: string,
    private readonly arrival: Arrival,
  ) {
    this.#network = networkOf(address);
  }

  async arrive(): Promise<void> {
    const { everything, links, groups } = this.limits;
    if (this.arrival === "probe") return;
    const isLink = this.arrival === "link";
    const [counted, unproven] = await Promise.all([
      (isLink ? links : everything)?.ofAddress(this.#network),
      isLink ? undefined : groups.default?.ofAddress(this.#network),
    ]);
    if (counted) this.#standings.push(counted.standing);
    this.#unproven = unproven;
    this.#require();
  }

  async signingIn(): Promise<void> {
    this.#unproven = await this.#insteadOf(this.limits.groups.auth?.ofAddress(this.#network));
    this.#require();
  }

  async presented(accountId: string, call: Call): Promise<void> {
    const counted = await this.#insteadOf(this.limits.groups[groupOf(call)]?.ofAccount(accountId));
    this.#unproven = undefined;
    if (counted) this.#standings.push(counted.standing);
    this.#require();
  }

  async proven(accountId: string, call: Call): Promise<void> {
    this.limits.familiar.note(accountId, this.#network.own);
    await this.presented(accountId, call);
  }

  headers(): Record<string, string> {
    const standing = this.#tightest();
    return standing ? limitHeaders(standing) : {};
  }

  /** Counts otherwise than for the address, at the same time as that is given back. */
  async #insteadOf(counting: Promise<Counted> | undefined): Promise<Counted | undefined> {
    const [counted] = await Promise.all([counting, this.#unproven?.giveBack()]);
    return counted;
  }

  #tightest(): Standing | undefined {
    return tightest([...this.#standings, ...(this.#unproven ? [this.#unproven.standing] : [])]);
  }

  /** @throws 429 when a limit is exceeded */
  #require(): void {
    const standing = this.#tightest();
    if (standing?.exceeded) throw tooMany(standing);
  }
}
