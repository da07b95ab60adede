import type { Database } from "../database/client.ts";
import type { Registry } from "../sync/entity.ts";
import { Attachments } from "./attachments.ts";
import { location } from "./location.ts";
import { photo } from "./photo.ts";
import { placeVisit } from "./place-visit.ts";
import { Resource } from "./resource.ts";
import { settings } from "./settings.ts";
import { trip } from "./trip.ts";
import { tripDay } from "./trip-day.ts";

/** Every kind of entity as the REST routes use it. */
export function createResources(db: Database, registry: Registry) {
  return {
    locations: new Resource(db, registry, location, "Location"),
    placeVisits: new Resource(db, registry, placeVisit, "Place visit"),
    trips: new Resource(db, registry, trip, "Trip"),
    tripDays: new Resource(db, registry, tripDay, "Day"),
    photos: new Resource(db, registry, photo, "Photo"),
    photoAttachments: new Attachments(db, registry),
    settings: new Resource(db, registry, settings, "Settings"),
  };
}

export type Resources = ReturnType<typeof createResources>;
