import { newToken } from "./edit-token.ts";
import type { Phone } from "./phone.ts";
import { type PictureUpload, pictureOf } from "./phone-pictures.ts";
import { isPlaceless } from "./random-journal.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** An app's queue of pictures, at random: its own photos' above all, some of them again, some of them of others' photos. */
export class RandomPictures {
  readonly #before: PictureUpload[] = [];
  readonly #seen = new Set<string>();
  readonly #takesVersion: boolean;
  readonly #takesLinks: boolean;

  /** @param made ids of the photos that were made on this phone */
  constructor(
    readonly phone: Phone,
    readonly random: SeededRandom,
    readonly made: ReadonlySet<string>,
  ) {
    this.#takesVersion = random.chance(0.6);
    this.#takesLinks = random.chance(0.6);
  }

  /** The next picture to be uploaded; null when the phone knows of no photo. */
  next(): PictureUpload | null {
    const { random } = this;
    for (const id of [...this.made, ...this.phone.ids("photos")]) this.#seen.add(id);
    // The very same again: what the app's queue holds does not follow later edits.
    if (this.#before.length > 0 && random.chance(0.25)) return random.pick(this.#before);
    // What was just edited, perhaps without knowing what others made of it.
    const edited = this.phone.store.pending("photos").map(({ content }) => content.id);
    const lists = [edited, edited, [...this.made].slice(-4), [...this.#seen].slice(-6)];
    const known = lists.filter((list) => list.length > 0);
    if (known.length === 0) return null;
    const id = random.pick(random.pick(known));
    // An upload may make such a photo, and everything that is written of one says its place.
    if (this.#saysPlace(id) && !this.phone.find("photos", id)) return null;
    const upload = this.#uploadOf(id);
    this.#before.push(upload);
    return upload;
  }

  #uploadOf(photoId: string): PictureUpload {
    const { random } = this;
    const held = this.phone.find("photos", photoId);
    return {
      photoId,
      metadata: {
        timestamp: held?.timestamp ?? "2025-11-17T10:00:00.123456Z",
        location: this.#saysPlace(photoId) || random.chance(0.8) ? (held?.location ?? null) : null,
        ...(random.chance(0.4) ? this.#more() : {}),
      },
      bytes: pictureOf(photoId, random.chance(0.15) ? 1 : 0),
      takesVersion: this.#takesVersion,
      takesLinks: this.#takesLinks,
      isOwn: this.made.has(photoId),
    };
  }

  #saysPlace(photoId: string): boolean {
    return this.made.has(photoId) && !isPlaceless(photoId);
  }

  /** What today's app leaves out. */
  #more() {
    const { phone, random } = this;
    const one = (kind: "trips" | "placeVisits") => {
      const held = phone.ids(kind).slice(-6);
      return held.length > 0 && random.chance(0.5) ? random.pick(held) : null;
    };
    return {
      caption: random.chance(0.5) ? `beside ${newToken()}` : null,
      exifData: random.chance(0.5) ? { iso: random.int(50, 3_200), shutterSpeed: "1/250" } : null,
      tripId: one("trips"),
      placeVisitId: one("placeVisits"),
    };
  }
}
