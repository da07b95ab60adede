import type { Phone } from "./phone.ts";
import type { Exchange } from "./phone-options.ts";
import { linkPath } from "./phone-pictures.ts";

/** Keeps books on the pictures that phones have brought to the server: what was taken must be shown in the end. */
export class PictureLedger {
  readonly problems: string[] = [];
  readonly #taken = new Map<string, string>();
  readonly #deleted = new Set<string>();
  uploads = 0;

  /** To be told of every delta: a photo that anybody ever deleted need not have its picture any more. */
  readonly observe = ({ outgoing }: Exchange): void => {
    for (const { id, syncAction } of outgoing.request.localChanges.photos ?? [])
      if (syncAction === "DELETE") this.#deleted.add(String(id));
  };

  noteTaken(photoId: string, url: string): void {
    this.uploads++;
    const path = linkPath(url);
    const before = this.#taken.get(photoId) ?? path;
    this.#taken.set(photoId, before);
    if (before !== path && !this.#deleted.has(photoId))
      this.problems.push(`photos/${photoId}: one picture was taken as ${before}, then another as ${path}`);
  }

  /** Pictures that were taken and are not shown, as a device sees it that was given everything from cursor 0. */
  conclude(fresh: Phone): string[] {
    const lost = [...this.#taken].flatMap(([photoId, path]) => {
      if (this.#deleted.has(photoId)) return [];
      const shown = fresh.store.get("photos", photoId)?.content.url ?? null;
      return shown === path
        ? []
        : [`photos/${photoId}: its picture was taken as ${path}, and it shows ${shown}`];
    });
    return [...this.problems, ...lost];
  }
}
