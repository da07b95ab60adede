import { Question } from "../question.ts";

/** What is found of a component. Anyone may read it: no names, places, versions, or words of an error. */
export interface Finding {
  readonly status: string;
}

/** Who knows about a component. */
export interface Lookout<Found extends Finding = Finding> {
  /** Looks without changing anything. @returns null when that is not known */
  look(): Promise<Found | null>;
}

/** How it stands with the backups: what is amiss there does not make the server unavailable. */
export interface BackupHealth extends Finding {
  /** `stale`: the newest is older than two days. */
  readonly status: "ok" | "stale" | "none";
  /** The instant that the newest one shows. */
  readonly newest: string | null;
  /** When one was last restored, to try it. */
  readonly lastProven: string | null;
}

/** Who knows about the backups. */
export type BackupLookout = Lookout<BackupHealth>;

/** Who is asked about what, in the order in which it is told. */
export interface HealthParts {
  readonly database: Lookout;
  readonly storage: Lookout;
  readonly mail: Lookout;
  readonly jobs: Lookout;
  readonly backup: BackupLookout;
  readonly disk: Lookout;
}

type Component = Finding & { readonly latencyMs: number };

export interface Health {
  /** `unavailable`: phones cannot sync. `degraded`: they can, and something else needs a look. */
  readonly status: "ok" | "degraded" | "unavailable";
  readonly timestamp: string;
  readonly components: Readonly<Record<string, Component>>;
}

/** Milliseconds for which a report is good. Probes come every few seconds, from several sides. */
const goodFor = 10_000;
/** Longest wait for a component, in milliseconds, before it counts as away. */
const patience = 2_000;

/** What a component says that somebody should look after. `none`, `off` and `unknown` are no reasons. */
const amiss = new Set(["unavailable", "failing", "behind", "stale", "low", "full"]);

/** What is said of a component that does not answer in time: those that nothing works without are away then. */
const silence: Partial<Record<string, Finding>> = {
  database: { status: "unavailable" },
  storage: { status: "unavailable" },
};

/** Puts together what is known of the components. Only the database makes the server unavailable. */
export function judge(components: Record<string, Component>): Health {
  const isAmiss = Object.values(components).some(({ status }) => amiss.has(status));
  const isAway = components.database?.status !== "ok";
  const status = isAway ? "unavailable" : isAmiss ? "degraded" : "ok";
  return { status, timestamp: new Date().toISOString(), components };
}

/** Knows how the server is, without asking everybody each time. */
export class HealthReporter {
  readonly #questions: ReadonlyMap<string, Question<Finding | null>>;
  #report: Promise<Health> | undefined;
  #reportedAt = 0;

  constructor(parts: HealthParts) {
    const entries = Object.entries(parts as unknown as Record<string, Lookout>);
    this.#questions = new Map(
      entries.map(([name, part]) => [name, new Question(() => part.look(), silence[name] ?? null, patience)]),
    );
  }

  /** All components. The same report for ten seconds, and for all who ask while it is made. */
  report(): Promise<Health> {
    if (this.#report && performance.now() - this.#reportedAt < goodFor) return this.#report;
    this.#reportedAt = performance.now();
    this.#report = this.#look([...this.#questions.keys()]);
    return this.#report;
  }

  /** What requests cannot be answered without: the database. Looked at whenever somebody asks. */
  readiness(): Promise<Health> {
    return this.#look(["database"]);
  }

  async #look(names: readonly string[]): Promise<Health> {
    const found = await Promise.all(names.map(async (name) => [name, await this.#ask(name)] as const));
    return judge(Object.fromEntries(found.flatMap(([name, told]) => (told ? [[name, told]] : []))));
  }

  async #ask(name: string): Promise<Component | null> {
    try {
      const told = await this.#questions.get(name)?.answer();
      return told?.found ? { ...told.found, latencyMs: told.latencyMs } : null;
    } catch {
      return { status: "unknown", latencyMs: 0 };
    }
  }
}
