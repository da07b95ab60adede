import type { Registry } from "../sync/entity.ts";
import { location } from "./location.ts";
import { photo } from "./photo.ts";
import { photoAttachment } from "./photo-attachment.ts";
import { placeVisit } from "./place-visit.ts";
import { settings } from "./settings.ts";
import { trip } from "./trip.ts";
import { tripDay } from "./trip-day.ts";

/** All kinds of entities, parents first. */
export const registry: Registry = [location, trip, placeVisit, photo, photoAttachment, tripDay, settings];
