import { ConfigError } from "../../src/config/config.ts";
import { CommandError, UsageError } from "../with-context.ts";
import { defaultAnswer, type Known, matters } from "./defaults.ts";
import type { Dialogue } from "./dialogue.ts";
import { UnquotableError } from "./env-file.ts";
import type { Machine } from "./machine.ts";
import { makePlan } from "./plan.ts";
import {
  type Answers,
  type Findings,
  faultOf,
  flagName,
  type Name,
  type Question,
  type Section,
} from "./question.ts";
import { questions, sections } from "./sections.ts";

type Open = Partial<Record<Name, string>>;

/** What a section's check finds, also when the answers make no configuration at all. */
async function examine(section: Section, answers: Answers, machine: Machine): Promise<Findings> {
  try {
    return await section.check(answers, machine, () => makePlan(answers, machine).config);
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof UnquotableError)) throw error;
    const problems = error instanceof ConfigError ? error.problems : [error.message];
    return { problems: problems.map((message) => ({ message: `${message}.` })) };
  }
}

/** Asks one section until its answers work, or the person goes on all the same. */
async function converse(section: Section, known: Known, dialogue: Dialogue): Promise<Answers> {
  const { machine, given } = known;
  const answers: Open = { ...known.answers };
  for (let attempt = 1; ; attempt++) {
    for (const question of section.questions) {
      const now = { given, answers, machine };
      if (!matters(question, now)) delete answers[question.name];
      else answers[question.name] = await answerTo(question, now, attempt > 1, dialogue);
    }
    const { problems, notes = [] } = await dialogue.wait(section.title, () =>
      examine(section, answers, machine),
    );
    for (const note of notes) dialogue.note(note);
    for (const problem of problems) dialogue.problem(problem);
    if (problems.length === 0) return answers;
    if (problems.every(({ bearable }) => bearable) && !(await dialogue.again())) return answers;
  }
}

async function answerTo(
  question: Question,
  known: Known,
  isAgain: boolean,
  dialogue: Dialogue,
): Promise<string> {
  const isGiven = known.given[question.name] !== undefined && !isAgain;
  const usual = defaultAnswer(question, known);
  if ((isGiven || question.flagOnly) && usual !== undefined) return usual;
  return dialogue.ask(question, usual);
}

/** A flag that changes nothing would mislead whoever gave it. */
function requireMeaning(given: Answers, answers: Answers): void {
  const idle = questions.filter(({ name }) => given[name] !== undefined && answers[name] === undefined);
  if (idle.length === 0) return;
  throw new UsageError(
    `${idle.map(flagName).join(", ")}: of no use with the other answers. Leave out what you do not need.`,
  );
}

/** Asks everything that no flag answers. */
export async function ask(given: Answers, machine: Machine, dialogue: Dialogue): Promise<Answers> {
  let answers: Answers = {};
  for (const section of sections) {
    answers = await converse(section, { given, answers, machine }, dialogue);
  }
  requireMeaning(given, answers);
  return answers;
}

/**
 * Takes defaults for what no flag answers.
 * @param takesDefaults without it, every question needs a flag
 * @throws UsageError naming all that is missing
 */
export function assume(given: Answers, machine: Machine, takesDefaults: boolean): Answers {
  const answers: Open = {};
  const missing: string[] = [];
  for (const question of questions) {
    const known = { given, answers, machine };
    if (!matters(question, known)) continue;
    const usual = defaultAnswer(question, known);
    const isSaid = takesDefaults || question.flagOnly || given[question.name] !== undefined;
    if (usual === undefined || !isSaid || faultOf(question, usual)) missing.push(flagName(question));
    if (usual !== undefined) answers[question.name] = usual;
  }
  requireMeaning(given, answers);
  if (missing.length === 0) return answers;
  const advice = takesDefaults
    ? "There is no default for that."
    : "Give them, or add --yes to take the defaults.";
  const reason = takesDefaults ? "Not answered" : "There is no terminal to ask, and not answered";
  throw new UsageError(`${reason}: ${missing.join(", ")}. ${advice}`);
}

/**
 * Checks answers that nobody is there to correct.
 * @returns warnings and notes
 * @throws CommandError naming everything that does not work
 */
export async function examineAll(
  answers: Answers,
  machine: Machine,
): Promise<{ warnings: string[]; notes: string[] }> {
  const found: Findings[] = [];
  for (const section of sections) found.push(await examine(section, answers, machine));
  const problems = found.flatMap((each) => each.problems);
  const severe = problems.filter(({ bearable }) => !bearable);
  if (severe.length > 0)
    throw new CommandError(`${severe.map(({ message }) => message).join("\n  ")} Nothing was changed.`);
  return {
    warnings: problems.map(({ message }) => message),
    notes: found.flatMap(({ notes = [] }) => notes),
  };
}
