import { newPlaceToken, newToken } from "./edit-token.ts";
import type { Phone } from "./phone.ts";
import type { Kind, Place } from "./phone-content.ts";
import type { SeededRandom } from "./seeded-random.ts";

const T0 = Date.parse("2025-11-17T10:00:00.000Z");
const WEIGHTED: [Kind | "settings", number][] = [
  ["locations", 3],
  ["placeVisits", 6],
  ["trips", 3],
  ["photos", 3],
  ["settings", 1],
  ["photoAttachments", 2],
  ["tripDays", 2],
];
const CHOICES = WEIGHTED.flatMap(([kind, weight]) => Array<Kind | "settings">(weight).fill(kind));

const PLACELESS = "photo_placeless_";

/** Photos that phones may say no place of, for their pictures to do: so their edits cannot be told apart. */
export const isPlaceless = (photoId: string) => photoId.startsWith(PLACELESS);

/** A person who writes a journal at random: creates, edits, deletes and takes back. */
export class RandomJournal {
  readonly #daysMade = new Set<string>();
  /** Ids of the photos that were made on this phone. */
  readonly photosMade = new Set<string>();

  constructor(
    readonly phone: Phone,
    readonly random: SeededRandom,
  ) {}

  /** One change on the phone. */
  step(): void {
    const kind = this.random.pick(CHOICES);
    const unknownToday = kind === "photoAttachments" || kind === "tripDays";
    if (unknownToday && this.phone.view === "today") this.step();
    else if (kind === "settings") this.#changeSettings();
    else this.#change(kind);
  }

  #change(kind: Kind): void {
    const held = this.phone.ids(kind);
    if (held.length === 0 || this.random.chance(0.4)) {
      this.#create(kind);
      return;
    }
    // What is new is what several people work on, and so what they quarrel about.
    const id = this.random.pick(held.slice(-6));
    if (kind === "locations" || this.random.chance(0.25)) this.#delete(kind, id);
    else this.#edit(kind, id);
  }

  #create(kind: Kind): void {
    const { phone, random } = this;
    const make: Record<Kind, () => void> = {
      locations: () => phone.addLocations(Array.from({ length: random.int(1, 6) }, () => this.#point())),
      placeVisits: () =>
        phone.upsert("placeVisits", {
          id: this.#id("visit"),
          ...this.#visit(),
          photos: this.#some("photos"),
        }),
      trips: () => phone.upsert("trips", { id: this.#id("trip"), ...this.#trip() }),
      photos: () => this.#takePhoto(),
      photoAttachments: () => this.#attach(),
      tripDays: () => this.#noteDay(),
    };
    make[kind]();
  }

  #edit(kind: Kind, id: string): void {
    const { phone, random } = this;
    const notes = `edited ${newToken()}`;
    const change: Record<Exclude<Kind, "locations">, () => void> = {
      placeVisits: () => {
        // A visit only ever gains photos in a delta: links are never removed there.
        const more = random.chance(0.3)
          ? { photos: this.#withMore("placeVisits", id, "photos") }
          : this.#visit();
        phone.edit("placeVisits", id, { ...more, notes });
      },
      trips: () => {
        phone.edit("trips", id, { notes, totalDistance: random.int(0, 99_999) / 7, countries: ["SI", "IT"] });
        if (phone.view === "new" && random.chance(0.5)) this.#linkTrip(id);
      },
      photos: () => {
        const nowhere = isPlaceless(id) && random.chance(0.4);
        phone.edit("photos", id, { location: nowhere ? null : this.#photoPlace() });
        if (phone.view === "new" && random.chance(0.5)) phone.edit("photos", id, { caption: notes });
        if (phone.view === "new" && random.chance(0.3))
          phone.edit("photos", id, { exifData: this.#camera() });
      },
      photoAttachments: () => phone.edit("photoAttachments", id, { caption: notes }),
      tripDays: () => phone.edit("tripDays", id, { notes }),
    };
    if (kind !== "locations") change[kind]();
  }

  #delete(kind: Kind, id: string): void {
    this.phone.delete(kind, id);
    // The person takes it back, perhaps before the server heard of it.
    if (this.random.chance(0.15) && kind !== "locations") this.phone.undelete(kind, id);
  }

  #linkTrip(id: string): void {
    this.phone.edit("trips", id, {
      placeVisits: this.#withMore("trips", id, "placeVisits"),
      photos: this.#withMore("trips", id, "photos"),
    });
  }

  #withMore(kind: "placeVisits" | "trips", id: string, links: "placeVisits" | "photos"): string[] {
    const entity = this.phone.find(kind, id) as { photos?: string[]; placeVisits?: string[] } | undefined;
    return [...new Set([...(entity?.[links] ?? []), ...this.#some(links)])];
  }

  #some(kind: Kind): string[] {
    const held = this.phone.ids(kind);
    return held.length > 0 && this.random.chance(0.5) ? [this.random.pick(held.slice(-6))] : [];
  }

  #attach(): void {
    const [photos, visits] = [this.phone.ids("photos"), this.phone.ids("placeVisits")];
    if (photos.length === 0 || visits.length === 0) return;
    this.phone.upsert("photoAttachments", {
      id: this.#id("attachment"),
      photoId: this.random.pick(photos),
      placeVisitId: this.random.pick(visits),
      attachedAt: this.#instant(),
      caption: this.random.chance(0.5) ? `caption ${newToken()}` : null,
    });
  }

  #noteDay(): void {
    const trips = this.phone.ids("trips");
    if (trips.length === 0) return;
    const tripId = this.random.pick(trips);
    const date = `2025-11-${this.random.int(10, 29)}`;
    const id = `${tripId}_${date}`;
    // A day's id is made of its trip and date. What was deleted is not made anew with a localVersion that starts over.
    if (this.#daysMade.has(id)) return;
    this.#daysMade.add(id);
    if (this.phone.find("tripDays", id)) this.phone.edit("tripDays", id, { notes: `again ${newToken()}` });
    else this.phone.upsert("tripDays", { id, tripId, date, notes: `day ${newToken()}` });
  }

  #changeSettings(): void {
    const { random } = this;
    const theme = random.pick(["AUTO", "LIGHT", "DARK", `CUSTOM ${newToken()}`]);
    const appearanceSettings = {
      theme,
      accentColor: "#2196F3",
      mapStyle: "STANDARD",
      enableAnimations: true,
    };
    const unitPreferences = {
      distanceUnit: random.pick(["METRIC", "IMPERIAL"]),
      temperatureUnit: "CELSIUS",
      timeFormat: "24_HOUR",
      firstDayOfWeek: random.pick(["MONDAY", "SUNDAY"]),
    };
    this.phone.changeSettings(random.chance(0.5) ? { appearanceSettings } : { unitPreferences });
  }

  #visit() {
    const { random } = this;
    const arrivalTime = this.#instant();
    const stays = random.chance(0.7);
    return {
      location: this.#place(),
      placeName: random.chance(0.9) ? `Place ${random.int(1, 99)}` : null,
      address: random.chance(0.5) ? "Čopova 1, Ljubljana" : null,
      category: random.pick(["FOOD", "OUTDOOR", "HOME", "SOMETHING_NEW"]),
      arrivalTime,
      departureTime: stays ? this.#instant(Date.parse(arrivalTime) + random.int(60, 9_000) * 1_000) : null,
      confidence: random.int(0, 1_000) / 1_000,
      isFavorite: random.chance(0.3),
      notes: `visit ${newToken()}`,
    };
  }

  #trip() {
    const { random } = this;
    const start = T0 + random.int(0, 30) * 86_400_000;
    return {
      name: `Trip ${random.int(1, 999)}`,
      startDate: new Date(start).toISOString(),
      endDate: new Date(start + random.int(1, 9) * 86_400_000).toISOString(),
      notes: `trip ${newToken()}`,
      totalDistance: random.chance(0.5) ? random.int(0, 1_000_000) / 3 : null,
      countries: random.chance(0.5) ? ["SI"] : [],
    };
  }

  #point() {
    const { random } = this;
    return {
      id: this.#id("sample"),
      timestamp: this.#instant(),
      ...this.#place(),
      accuracy: random.int(3, 900) / 7,
      speed: random.chance(0.5) ? random.int(0, 300) / 9 : null,
      bearing: random.chance(0.5) ? random.int(0, 3_599) / 10 : null,
      provider: random.pick(["GPS", "NETWORK", "VISIT"]),
    };
  }

  #place(): Place {
    return { latitude: 47 + this.random.next(), longitude: 14 + this.random.next() };
  }

  #takePhoto(): void {
    const { random } = this;
    const placeless = random.chance(0.5);
    const id = placeless ? `${PLACELESS}${random.uuid()}` : this.#id("photo");
    this.photosMade.add(id);
    const nowhere = placeless && random.chance(0.8);
    const exifData = this.phone.view === "new" && random.chance(0.3) ? this.#camera() : null;
    const location = nowhere ? null : this.#photoPlace();
    this.phone.upsert("photos", { id, timestamp: this.#instant(), location, exifData });
  }

  #camera() {
    return { cameraModel: `Camera ${newToken()}`, iso: this.random.int(50, 3_200) };
  }

  /** Photos have no text of their own that today's app knows, so the place carries the token. */
  #photoPlace(): Place {
    return { latitude: newPlaceToken(), longitude: 14.5 };
  }

  /** Phones send micro- and nanoseconds. */
  #instant(millis = T0 + this.random.int(0, 2_000_000_000)): string {
    const digits = this.random.pick(["", "123", "456789"]);
    return new Date(millis).toISOString().replace("Z", `${digits}Z`);
  }

  /** Ids as the apps make them: opaque, not always UUIDs, upper-case on iOS. */
  #id(kind: "sample" | "visit" | "trip" | "photo" | "attachment"): string {
    const { random } = this;
    if (random.chance(0.2)) return random.uuid().toUpperCase();
    const millis = T0 + random.int(0, 1_000_000_000);
    const hash = () => random.int(-2_147_483_648, 2_147_483_647);
    if (kind === "visit") return `visit_${millis}_${hash()}_${hash()}`;
    if (kind === "trip") return `trip_${hash()}_${millis}_${random.int(1, 9_999)}`;
    return `${kind}_${random.uuid()}`;
  }
}
