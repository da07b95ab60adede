import { resolve } from "node:path";
import { examineFolder } from "../checks/folder.ts";
import { movedAway } from "../checks/moved.ts";
import type { Section } from "../question.ts";

/** Where data lives. */
export const dataSection: Section = {
  title: "Data",
  questions: [
    {
      name: "dataDir",
      flag: "data-dir <folder>",
      ask: "Where shall data live?",
      about: "folder of the database and of pictures kept as files",
      kind: "text",
      variable: "DATA_DIR",
      fallback: (_answers, { usualDataDir }) => usualDataDir,
    },
  ],
  check: ({ dataDir = "" }, machine) => ({
    problems: [
      ...examineFolder(resolve(dataDir), machine, { minimum: 500e6, runsPrograms: true }),
      ...movedAway("dataDir", dataDir, machine),
    ],
  }),
};
