import { readFileSync } from "node:fs";
import { enclosedFile } from "../src/enclosed.ts";
import { CommandError } from "./with-context.ts";

/** Prints the licences of everything inside the executable. @throws CommandError where the program runs from its sources */
export function printLicenses(): void {
  const path = enclosedFile(/^licenses\.txt$/);
  if (!path) {
    throw new CommandError(
      "The licences of all parts are put together when the program is built: run the built one (bun run build).",
    );
  }
  process.stdout.write(readFileSync(path, "utf8"));
}
