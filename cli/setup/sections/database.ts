import { examineDatabase } from "../checks/database.ts";
import { movedAway } from "../checks/moved.ts";
import { type Answers, type Section, settingNamed } from "../question.ts";

const isOwn = ({ database }: Answers) => database === "own";

/** The embedded database, or another. */
export const databaseSection: Section = {
  title: "Database",
  questions: [
    {
      name: "database",
      flag: "database <which>",
      ask: "Which database?",
      about: "the embedded one, or one of your own",
      kind: "choice",
      choices: [
        { value: "embedded", label: "The embedded Postgres", hint: "nothing to look after" },
        { value: "own", label: "A Postgres of my own", hint: "15 or later" },
      ],
      impliedBy: { own: ["databaseUrl"] },
      fallback: () => "embedded",
    },
    {
      name: "databaseUrl",
      flag: "database-url <url>",
      ask: "Its address, without the password",
      about:
        "where that database is, postgres://user@host:5432/name; with a password only by --database-url-file",
      kind: "text",
      read: settingNamed("DATABASE_URL").read,
      when: isOwn,
    },
    {
      name: "databasePassword",
      flag: "database-password-file <file>",
      ask: "Its password",
      about: "file with the password of that database",
      kind: "secret",
      mayBeEmpty: true,
      when: isOwn,
      fallback: () => "",
    },
  ],
  check: async (answers, machine, config) => ({
    problems: [
      ...(isOwn(answers) ? await examineDatabase(config()) : []),
      ...movedAway("database", answers.database, machine),
    ],
  }),
};
