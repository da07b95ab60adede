import { InterruptedError } from "../with-context.ts";
import { faultOf, type Problem, type Question } from "./question.ts";

/** How setup talks with a person. Every method throws InterruptedError when they break off. */
export interface Dialogue {
  /** @param usual what the return key answers */
  ask(question: Question, usual: string | undefined): Promise<string>;
  problem(problem: Problem): void;
  note(text: string): void;
  /** Whether to answer again rather than go on with what does not work. */
  again(): Promise<boolean>;
  /** Waits for a check, saying so when it takes long. */
  wait<T>(title: string, work: () => Promise<T>): Promise<T>;
}

/** Milliseconds after which a check is mentioned. */
const patience = 400;

export const nothingChanged = "Nothing was changed on this machine.";

const sentence = (fault: string | undefined) => fault && `It ${fault}.`;

/** Talks at the terminal until the signal ends it. */
export async function openDialogue(signal: AbortSignal): Promise<Dialogue> {
  const clack = await import("@clack/prompts");
  const taken = <T>(answer: T): Exclude<T, symbol> => {
    if (typeof answer === "symbol") throw new InterruptedError(nothingChanged);
    return answer as Exclude<T, symbol>;
  };

  async function text(question: Question, usual: string | undefined): Promise<string> {
    const answer = await clack.text({
      message: question.ask,
      signal,
      ...(usual && { placeholder: usual, defaultValue: usual }),
      validate: (typed = "") => sentence(faultOf(question, typed.trim() || usual || "")),
    });
    return taken(answer).trim();
  }

  async function hidden(message: string, validate: (typed: string) => string | undefined): Promise<string> {
    return taken(await clack.password({ message, signal, validate: (typed = "") => validate(typed) })) ?? "";
  }

  async function secret(question: Question, usual: string | undefined): Promise<string> {
    const hint = usual ? " (empty: the present one)" : question.mayBeEmpty ? " (empty: none)" : "";
    for (;;) {
      const typed = await hidden(question.ask + hint, (text) =>
        sentence(faultOf(question, text || usual || "")),
      );
      if (typed === "") return usual ?? "";
      if (!question.twice || (await hidden("The same again", () => undefined)) === typed) return typed;
      clack.log.warn("The two differ. Once more, please.");
    }
  }

  async function choice({ ask, choices = [] }: Question, usual: string | undefined): Promise<string> {
    const offered = choices.filter(({ value, onlyIfUsual }) => !onlyIfUsual || value === usual);
    const options = offered.map(({ value, label, hint }) => ({ value, label, ...(hint && { hint }) }));
    return taken(
      await clack.select({
        message: ask,
        options,
        signal,
        showInstructions: false,
        ...(usual && { initialValue: usual }),
      }),
    );
  }

  return {
    ask: (question, usual) => ({ text, secret, choice })[question.kind](question, usual || undefined),
    problem: ({ message, bearable }) => (bearable ? clack.log.warn(message) : clack.log.error(message)),
    note: (message) => clack.log.success(message),
    async again() {
      const options = [
        { value: true, label: "Answer again" },
        { value: false, label: "Go on all the same" },
      ];
      return taken(await clack.select({ message: "What now?", options, signal, showInstructions: false }));
    },
    async wait(title, work) {
      const late = setTimeout(() => clack.log.step(`${title}: checking …`), patience);
      try {
        return await untilBrokenOff(work(), signal);
      } finally {
        clearTimeout(late);
      }
    },
  };
}

/** The work, or an end of it when somebody breaks off. @throws InterruptedError */
export async function untilBrokenOff<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const broken = () => reject(new InterruptedError(nothingChanged));
  if (signal.aborted) broken();
  signal.addEventListener("abort", broken, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", broken);
  }
}
