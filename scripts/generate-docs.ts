import { join } from "node:path";
import { describeVariables } from "../src/config/describe.ts";

const introduction = `# Environment variables

Every setting is a variable of the environment. Nothing has to be set: without any, the server runs its own database
in \`./data\` and listens on port 8080, for a proxy or tunnel that speaks HTTPS to the phones.

Variables may stand in the environment or, one \`NAME=value\` a line, in an env file: the one that \`--config FILE\` names,
else \`TRAILGLASS_CONFIG\`, else \`/etc/trailglass/trailglass.env\`, else \`./trailglass.env\`. What the environment sets
counts before what the file sets. An empty value sets nothing.

Any of them may be given as \`NAME_FILE\` instead, with the path of a file that holds the value, as container
secrets are. Time spans are written \`90s\`, \`15m\`, \`12h\` or \`30d\`.

When something is wrong, the program names all of it at once and ends with exit code 78. It never shows the value of
a secret. A variable that starts with \`TRAILGLASS_\` and means nothing is a warning that names the nearest one
that does.

<!-- Made by scripts/generate-docs.ts from src/config/variables.ts; edit it there. -->

`;

/** The whole of docs/ENVIRONMENT_VARIABLES.md. */
export function configurationPage(): string {
  return introduction + describeVariables();
}

/** Where it stands. */
export const configurationPath = join(import.meta.dir, "../docs/ENVIRONMENT_VARIABLES.md");

if (import.meta.main) await Bun.write(configurationPath, configurationPage());
