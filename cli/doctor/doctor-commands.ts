import { Argument, type Command } from "commander";

/** The whole program, of which a command is a part. */
function programOf(command: Command): Command {
  return command.parent === null ? command : programOf(command.parent);
}

/** Describes `trailglass doctor`. What it needs is loaded when it runs. */
export function addDoctor(command: Command): void {
  command
    .option("--json", "as JSON")
    .option("--bundle <file>", "also write a zip for a bug report: no secrets, nothing of what people stored")
    .option("--no-body-test", "send no large body through PUBLIC_URL")
    .action(async (_options, self: Command) => {
      const { doctor } = await import("./doctor.ts");
      await doctor(self.optsWithGlobals());
    });
}

/** Describes `trailglass completions`. */
export function addCompletions(command: Command): void {
  command
    .addArgument(new Argument("<shell>", "whose").choices(["bash", "zsh", "fish"]))
    .action(async (shell: "bash" | "zsh" | "fish", _options, self: Command) => {
      const { completionScript } = await import("./completions.ts");
      console.log(completionScript(programOf(self), shell));
    });
}

/** Describes `trailglass man`. */
export function addMan(command: Command): void {
  command.action(async (_options, self: Command) => {
    const { manPage } = await import("./man-page.ts");
    console.log(manPage(programOf(self)));
  });
}
