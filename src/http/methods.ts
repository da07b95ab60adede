/** Methods under which some route answers at a path; none where there is no such path. */
export function allowedMethods(routes: readonly { method: string; path: string }[], path: string): string[] {
  const given = path.split("/");
  const fits = (pattern: string[]) =>
    pattern.length === given.length &&
    pattern.every((part, index) => part === given[index] || (part.startsWith(":") && given[index] !== ""));
  return [...new Set(routes.filter((route) => fits(route.path.split("/"))).map((route) => route.method))];
}
