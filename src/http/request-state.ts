import type { Client } from "./proxy.ts";

/** What is counted of a request, and how it stands against the limits. Every step refuses it when it is one too many. */
export interface Tally {
  /** Before anything else is looked at: it counts for its address. @throws 429 */
  arrive(): Promise<void>;
  /** It asks to be let in: it counts for its address among those that do. @throws 429 */
  signingIn(): Promise<void>;
  /** It came with something of an account's: it counts for that account instead. @throws 429 */
  presented(accountId: string, call: { method: string; route: string }): Promise<void>;
  /** The same of a session that stands: the account is at home where it called from. @throws 429 */
  proven(accountId: string, call: { method: string; route: string }): Promise<void>;
  /** What the answer says of the tightest limit; nothing where none was in force. */
  headers(): Record<string, string>;
}

/** What the server knows of a request beside the request itself. */
export interface RequestState {
  readonly id: string;
  readonly client: Client;
  /** Address of the socket's other end: the client itself, or the last proxy before us. */
  readonly peer: string;
  /** The route that answers, with `:names` where paths differ; set once it is found. */
  route?: string;
  readonly tally: Tally;
  /** Set once the request is signed in; for the log. */
  accountId?: string;
}

const clientChosen = /^[A-Za-z0-9._-]{1,128}$/;

/** The id of a request: the client's own where it is well-formed, else a new one. */
export function requestIdOf(headers: Headers): string {
  const given = headers.get("x-request-id");
  return given !== null && clientChosen.test(given) ? given : crypto.randomUUID();
}

/** States of the requests under way; a state goes when its request goes. */
export class RequestStates {
  readonly #states = new WeakMap<Request, RequestState>();

  set(request: Request, state: RequestState): void {
    this.#states.set(request, state);
  }

  get(request: Request): RequestState | undefined {
    return this.#states.get(request);
  }
}
