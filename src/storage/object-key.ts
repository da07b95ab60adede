/**
 * Keys are `area/name` and made here, of random characters: nothing from a client ever becomes part of one. Areas
 * are what objects are for; `uploads` alone is written to from outside, before a picture is confirmed.
 */
export const areas = ["originals", "thumbnails", "avatars", "uploads", "exports", "probes"] as const;
export type Area = (typeof areas)[number];

const keyPattern = new RegExp(`^(${areas.join("|")})/[0-9a-f]{32}(-[0-9a-z]{1,16})?$`);

/** A key that no object has had before. */
export function newKey(area: Area): string {
  return `${area}/${crypto.randomUUID().replaceAll("-", "")}`;
}

/** Whether a text is such a key. */
export const isKey = (text: string): boolean => keyPattern.test(text);

/** The area that a key lies in. */
export const areaOf = (key: string): Area => key.slice(0, key.indexOf("/")) as Area;

/** The key of something made from an object: it goes when that one goes. @param variant such as `512` */
export function derivedKey(area: Area, key: string, variant: string): string {
  return `${area}/${key.slice(key.indexOf("/") + 1)}-${variant}`;
}
