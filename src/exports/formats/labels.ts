import type { PlacedPhoto, TrackPoint, Visit } from "../journal.ts";

/** The first of these that says anything. */
function firstWords(...texts: readonly (string | null)[]): string {
  return texts.find((text) => text !== null && text.trim() !== "") ?? "";
}

export const journalName = (displayName: string) =>
  firstWords(displayName.trim() && `Journal of ${displayName}`, "Journal");

/** The day in UTC. Where the phone was, it may have been another: nobody wrote down what clock hung there. */
export const dayOf = (timestamp: string) => timestamp.slice(0, timestamp.indexOf("T"));

export const deviceLabel = ({ deviceName, deviceId }: TrackPoint) => firstWords(deviceName, deviceId);

export const visitName = ({ placeName, address, category }: Visit) =>
  firstWords(placeName, address, category, "Visit");

export const photoName = ({ caption, timestamp }: PlacedPhoto) =>
  firstWords(caption, `Photo of ${dayOf(timestamp)}`);
