import { cpSync } from "node:fs";
import { makeLibraryLinks } from "./runtime-links.ts";

/** Static libraries, build files and the list of links: a third of the package, and of no use to a server. */
const LEFT_OUT = /\.a$|\/pkgconfig$|\/pgxs$|\/pg-symlinks\.json$/;

/** Copies what a server needs of the package, and makes its library links. */
export function copyPackage(native: string, folder: string): void {
  cpSync(native, folder, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !LEFT_OUT.test(path),
  });
  makeLibraryLinks(native, folder);
}
