import { Gauge, type Registry } from "prom-client";
import { Question } from "../question.ts";
import { prefix } from "./names.ts";

/** Milliseconds that a scrape waits for a source. Prometheus itself gives up after ten seconds. */
const patience = 2_000;

/** Something that is looked up when somebody scrapes. */
export interface Source<Found> {
  readonly name: string;
  readonly read: () => Promise<Found>;
  /** Shows what was found; nothing of it when that is null. */
  readonly show: (found: Found | null) => void;
}

/** Looks sources up. One that is slow or broken is left out, and says so: never does a scrape fail or hang. */
export class Sources {
  readonly #works: Gauge;
  readonly #looks: (() => Promise<void>)[] = [];

  constructor(registry: Registry) {
    this.#works = new Gauge({
      name: `${prefix}source_ok`,
      help: "Whether what these metrics are read from answered; 0: they are left out.",
      labelNames: ["source"],
      registers: [registry],
    });
  }

  add<Found>({ name, read, show }: Source<Found>): void {
    const question = new Question<Found | null>(read, null, patience);
    this.#looks.push(async () => {
      const answer = await question.answer().catch(() => null);
      const found = answer?.found ?? null;
      show(found);
      this.#works.set({ source: name }, found === null ? 0 : 1);
    });
  }

  async look(): Promise<void> {
    await Promise.all(this.#looks.map((look) => look()));
  }
}
