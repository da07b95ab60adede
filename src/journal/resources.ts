import type { AccountQueue } from "../sync/account-queue.ts";
import type { Entity, Kind, Registry } from "../sync/entity.ts";
import { Attachments } from "./attachments.ts";
import { Resource } from "./resource.ts";

/** Every kind of entity as the REST routes use it. */
export function createResources(accounts: AccountQueue, registry: Registry) {
  const resource = (kind: Kind, name: string) =>
    new Resource(accounts, registry, registry.find((entity) => entity.kind === kind) as Entity, name);
  return {
    locations: resource("locations", "Location"),
    placeVisits: resource("placeVisits", "Place visit"),
    trips: resource("trips", "Trip"),
    tripDays: resource("tripDays", "Day"),
    photos: resource("photos", "Photo"),
    photoAttachments: new Attachments(accounts, registry),
    settings: resource("settings", "Settings"),
  };
}

export type Resources = ReturnType<typeof createResources>;
