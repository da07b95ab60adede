import type { Machine } from "./machine.ts";
import type { Answers, Name, Question } from "./question.ts";

/** What is known while questions are asked. */
export interface Known {
  /** By flags. */
  readonly given: Answers;
  /** So far, in this run. */
  readonly answers: Answers;
  readonly machine: Machine;
}

/** All of it, the later over the earlier. */
export const everything = ({ given, answers, machine }: Known): Answers => ({
  ...machine.present.answers,
  ...given,
  ...answers,
});

/** Whether a question matters now. */
export const matters = (question: Question, known: Known): boolean =>
  question.when?.(everything(known)) ?? true;

function implied({ impliedBy = {} }: Question, given: Answers): string | undefined {
  const isGiven = (name: Name) => given[name] !== undefined;
  return Object.entries(impliedBy).find(([, names]) => names.some(isGiven))?.[0];
}

/**
 * The answer that the return key gives: what the flags say or imply, else what was answered before, is set up already,
 * or is usual. Undefined where there is none.
 */
export function defaultAnswer(question: Question, known: Known): string | undefined {
  const { given, answers, machine } = known;
  const { name } = question;
  const said = answers[name] ?? given[name] ?? implied(question, given) ?? kept(question, known);
  return said ?? question.fallback?.(everything(known), machine);
}

/** What is set up already, unless it followed from an answer that is another one now. */
function kept({ name }: Question, { machine, answers, given }: Known): string | undefined {
  const { answers: present } = machine.present;
  const way = answers.reach ?? given.reach;
  const followsWay = name === "port" || name === "host" || name === "publicUrl";
  if (followsWay && way !== undefined && present.reach !== undefined && way !== present.reach)
    return undefined;
  return present[name];
}
