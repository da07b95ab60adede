import type { AccountQueue } from "../sync/account-queue.ts";
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
export function createResources(accounts: AccountQueue, registry: Registry) {
  return {
    locations: new Resource(accounts, registry, location, "Location"),
    placeVisits: new Resource(accounts, registry, placeVisit, "Place visit"),
    trips: new Resource(accounts, registry, trip, "Trip"),
    tripDays: new Resource(accounts, registry, tripDay, "Day"),
    photos: new Resource(accounts, registry, photo, "Photo"),
    photoAttachments: new Attachments(accounts, registry),
    settings: new Resource(accounts, registry, settings, "Settings"),
  };
}

export type Resources = ReturnType<typeof createResources>;
