import { enclosedFile } from "../src/enclosed.ts";
import { CommandError } from "./with-context.ts";

/** Prints the licences of everything inside the executable. @throws CommandError where the program runs from its sources */
export async function printLicenses(): Promise<void> {
  const path = enclosedFile(/^licenses\.txt$/);
  if (!path) {
    throw new CommandError(
      "The licences of all parts are put together when the program is built: run the built one (bun run build).",
    );
  }
  // Waited for: a pager reads more slowly than the process would end.
  await Bun.write(Bun.stdout, Bun.file(path));
}
