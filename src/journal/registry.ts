import type { Content, Registry } from "../sync/entity.ts";
import { location } from "./location.ts";
import { photo } from "./photo.ts";
import { photoAttachment } from "./photo-attachment.ts";
import { placeVisit } from "./place-visit.ts";
import { settings } from "./settings.ts";
import { trip } from "./trip.ts";
import { tripDay } from "./trip-day.ts";

/**
 * All kinds of entities, parents first.
 * @param presentPhoto gives a photo the links to its bytes, and shows what they say of themselves
 */
export function createRegistry(presentPhoto: (photo: Content) => Content): Registry {
  const shownPhoto = { ...photo, present: presentPhoto };
  return [location, trip, placeVisit, shownPhoto, photoAttachment, tripDay, settings];
}
