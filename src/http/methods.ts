/** The parts of a path; a slash at its end changes nothing, as for the router. */
const partsOf = (path: string) => path.replace(/(?<=.)\/$/, "").split("/");

/** A route as logs and metrics name it. */
export const patternOf = (route: string): string => route.replace(/(?<=.)\/$/, "");

/** Methods under which some route answers at a path; none where there is no such path. */
export function allowedMethods(routes: readonly { method: string; path: string }[], path: string): string[] {
  const given = partsOf(path);
  const fits = (pattern: string[]) =>
    pattern.length === given.length &&
    pattern.every((part, index) => part === given[index] || (part.startsWith(":") && given[index] !== ""));
  return [...new Set(routes.filter((route) => fits(partsOf(route.path))).map((route) => route.method))];
}
