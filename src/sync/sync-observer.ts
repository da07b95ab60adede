import type { Outcome } from "./apply-changes.ts";
import type { Kind } from "./entity.ts";

/** Told of what phones sent, once the answer to it is certain. */
export interface SyncObserver {
  /** What became of changes, after they were committed. */
  decided(outcomes: readonly Outcome[]): void;
  /** Items that could not be read. */
  refused(items: readonly { readonly kind: Kind }[]): void;
}

/** Where nobody counts. */
export const unobserved: SyncObserver = { decided() {}, refused() {} };
