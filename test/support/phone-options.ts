import type { Phone } from "./phone.ts";
import type { OpenConflict } from "./phone-answer.ts";
import type { Decision } from "./phone-person.ts";
import type { Outgoing } from "./phone-request.ts";
import type { Network } from "./phone-transport.ts";
import type { DeltaAnswer } from "./wire.ts";

/** One delta as it went, for a test that keeps books. `answer` is null when it was lost. */
export interface Exchange {
  phone: Phone;
  outgoing: Outgoing;
  answer: DeltaAnswer | null;
  startedAt: number;
  endedAt: number;
}

export interface PhoneOptions {
  /** Where the server is, without the base path, for example `http://localhost:8080`. */
  baseUrl: string;
  /** How requests travel; the default is `fetch`. */
  network?: Network;
  name?: string;
  deviceId?: string;
  appVersion?: string;
  /** The phone's clock, which may be wrong. */
  clock?: () => Date;
  /** Ask for at most so many changes per answer. */
  pagesLimit?: number;
  /** The coming app: sends `syncEpoch`, photo attachments and trip days, and knows every field. */
  newClient?: boolean;
  /** End-to-end mode: rows travel as envelopes sealed with this passphrase. */
  passphrase?: string;
  /** What the person does with a conflict that asks for them. Default: keep their own side. */
  decide?: (conflict: OpenConflict) => Decision;
  /** Told of every delta, also of those without an answer. */
  observe?: (exchange: Exchange) => void;
  /** Milliseconds between the retries of a 5xx. */
  retryPause?: number;
}

export interface Credentials {
  email: string;
  password: string;
}

/** What one phone has done so far. */
export interface Counters {
  sent: number;
  accepted: number;
  rejected: number;
  conflicts: number;
}
