import type { Client } from "./proxy.ts";

/** What the server knows of a request beside the request itself. */
export interface RequestState {
  readonly id: string;
  readonly client: Client;
  /** Address of the socket's other end: the client itself, or the last proxy before us. */
  readonly peer: string;
  /** The route that answers, with `:names` where paths differ; set once it is found. */
  route?: string;
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
