/** What is limited together. Source: the HTTP contract, "Rate limits". */
export type Group = "auth" | "sync" | "locationBatch" | "photoUpload" | "default";

const api = "/api/v1";

/**
 * Routes of a group of their own; the first that fits counts, and a method that is not named is any. Whoever is signed in
 * and proves it again by password can guess as well as somebody who signs in. Planning a direct upload is the upload: its
 * bytes go past the server, and its confirmation adds nothing that was not planned.
 */
const groups: readonly (readonly [method: string, route: RegExp, group: Group])[] = [
  ["", /^\/auth\/logout$/, "default"],
  ["", /^\/auth\//, "auth"],
  ["PUT", /^\/user\/password$/, "auth"],
  ["DELETE", /^\/user$/, "auth"],
  ["", /^\/sync\//, "sync"],
  ["POST", /^\/locations\/batch$/, "locationBatch"],
  ["POST", /^\/photos(\/upload)?$/, "photoUpload"],
];

/** A call of the API: its method, and its path as the router has it, with `:names`. */
export interface Call {
  readonly method: string;
  readonly route: string;
}

/** The group of a call. */
export function groupOf({ method, route }: Call): Group {
  const path = route.startsWith(`${api}/`) ? route.slice(api.length).replace(/(?<=.)\/$/, "") : route;
  const found = groups.find(([only, pattern]) => (only === "" || only === method) && pattern.test(path));
  return found?.[2] ?? "default";
}
