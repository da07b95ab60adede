import { AppError } from "../errors.ts";

/** A picture that can never be shown. The message is the reason, in plain words for its owner. */
export class Unreadable extends Error {}

/** A picture that was too much for this machine today: it is not tried again before the next start. */
export class TooMuch extends Error {}

/** Decoding took longer than anybody's picture does. */
export class TooSlow extends TooMuch {}

/** The server is about to end, and what it was making is dropped. */
export class Stopped extends AppError {
  constructor() {
    super("SERVICE_UNAVAILABLE", "The server is about to end", { headers: { "Retry-After": "5" } });
  }
}
