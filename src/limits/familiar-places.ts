/** Accounts that are remembered, and places of each: more than a household's phones are seen in. */
const mostAccounts = 5_000;
const mostPlaces = 20;

/** Puts an entry at the end, and lets go of the first one when there are too many. */
function keep<V>(entries: Map<string, V>, key: string, value: V, most: number): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > most) entries.delete(entries.keys().next().value as string);
}

/**
 * The networks that an account was seen signed in from lately. In memory only: phones call all day, so that it is known
 * again minutes after a start, and where people were seen belongs on no disk.
 */
export class FamiliarPlaces {
  readonly #accounts = new Map<string, Map<string, true>>();

  note(accountId: string, place: string): void {
    const places = this.#accounts.get(accountId) ?? new Map<string, true>();
    keep(places, place, true, mostPlaces);
    keep(this.#accounts, accountId, places, mostAccounts);
  }

  has(accountId: string, place: string): boolean {
    return this.#accounts.get(accountId)?.has(place) ?? false;
  }
}
