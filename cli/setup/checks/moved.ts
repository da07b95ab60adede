import type { Machine } from "../machine.ts";
import type { Problem } from "../question.ts";

const warnings = {
  dataDir:
    "The data stays where it is, and the server would begin anew in the other folder. Move it there yourself first.",
  database:
    'What is in the present database stays there, and the server would begin anew. Make a backup first, and after this "trailglass restore".',
  photos:
    'Photos that are stored already stay where they are. Run "trailglass storage migrate" before you change this.',
} as const;

/** Warns where another answer leaves data behind. */
export function movedAway(
  name: keyof typeof warnings,
  answer: string | undefined,
  { present }: Machine,
): Problem[] {
  const before = present.answers[name];
  if (before === undefined || before === answer) return [];
  return [{ message: warnings[name], bearable: true }];
}
