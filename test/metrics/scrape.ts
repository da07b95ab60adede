import type { TestServer } from "../support/test-server.ts";

/** What a scrape told: values by name and labels, such as `trailglass_jobs{kind="mail",state="done"}`. */
export type Scrape = ReadonlyMap<string, number>;

export async function scrapeText(server: Pick<TestServer, "url">, headers: Record<string, string> = {}) {
  const answer = await fetch(`${server.url}/metrics`, { headers });
  if (answer.status !== 200) throw new Error(`the scrape was answered ${answer.status}`);
  return answer.text();
}

export function readScrape(text: string): Scrape {
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => {
      const at = line.lastIndexOf(" ");
      const value = line.slice(at + 1);
      return [line.slice(0, at), value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value)];
    }),
  );
}

export const scrape = async (server: Pick<TestServer, "url">): Promise<Scrape> =>
  readScrape(await scrapeText(server));

/** Series of a metric. */
export const seriesOf = (found: Scrape, name: string): string[] =>
  [...found.keys()].filter((key) => key === name || key.startsWith(`${name}{`));
