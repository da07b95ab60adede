import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { YAML } from "bun";
import { enqueue } from "../../src/jobs/queue.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { readScrape, scrapeText } from "./scrape.ts";

const read = (name: string) => readFileSync(join(import.meta.dir, "../../deploy", name), "utf8");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

const alerts = YAML.parse(read("prometheus-alerts.yml")) as { groups: { name: string; rules: Rule[] }[] };
const dashboard = JSON.parse(read("grafana-dashboard.json")) as { panels: Panel[]; templating: object };
const prometheus = YAML.parse(read("prometheus.yml")) as {
  rule_files: string[];
  scrape_configs: { job_name: string; metrics_path: string; authorization: { type: string } }[];
};

const rules = alerts.groups.flatMap((group) => group.rules);
const expressions = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
];

/** Labels of a series or of a selector. */
const labelsOf = (text: string) =>
  [...text.matchAll(/(\w+)(?:=~|!=|!~|=)"([^"]*)"/g)] as unknown as string[][];

/** Labels that Prometheus itself puts on. */
const ofPrometheus = ["job", "instance", "le"];

let server: TestServer;
let text: string;
beforeAll(async () => {
  server = await startTestServer({ metricsEnabled: true });
  await server.request("GET", "/trips");
  await enqueue(server.context.db, { kind: "clear-tokens" });
  await server.context.worker.runDue();
  text = await scrapeText(server);
});
afterAll(() => server.stop());

/** Names under which a metric is asked for. */
function namesTold(): Set<string> {
  const types = [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)];
  const suffixes = (type: string) => (type === "histogram" ? ["_bucket", "_count", "_sum"] : [""]);
  return new Set(types.flatMap(([, name = "", type = ""]) => suffixes(type).map((suffix) => name + suffix)));
}

describe("alerts and dashboard", () => {
  test.each(expressions)("%s asks for what a server tells", (_title, expr) => {
    const told = namesTold();
    const asked = expr.match(/\b(trailglass|process)_\w+/g) ?? [];
    expect(asked.filter((name) => !told.has(name))).toEqual([]);
    if (asked.length === 0) expect(expr).toStartWith('up{job="trailglass"}');
    expect(expr.split("(").length).toBe(expr.split(")").length);
  });

  test.each(expressions)("%s knows the labels", (_title, expr) => {
    const series = [...readScrape(text).keys()];
    for (const [, name = "", selector = ""] of expr.matchAll(/(trailglass_\w+)\{([^}]*)\}/g)) {
      const own = series.filter((key) => key.startsWith(`${name}{`)).flatMap(labelsOf);
      for (const [, label = "", value = ""] of labelsOf(selector)) {
        if (ofPrometheus.includes(label)) continue;
        expect([name, label, own.some(([, known]) => known === label)]).toEqual([name, label, true]);
        if (label === "component") expect(own.map(([, , known]) => known)).toContain(value);
      }
    }
  });

  test("every metric of ours is looked at by one of them", () => {
    const all = expressions.map(([, expr]) => expr).join("\n");
    const ours = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);
    expect(ours.length).toBeGreaterThan(20);
    expect(ours.filter((name) => !all.includes(name))).toEqual([]);
  });
});

describe("alerts", () => {
  test("say how bad it is, what is, and what to do", () => {
    expect(rules.length).toBeGreaterThan(8);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, labels, annotations } of rules) {
      expect(alert).toMatch(/^Trailglass[A-Z]/);
      expect(["critical", "warning"]).toContain(labels.severity);
      expect(annotations.summary.length).toBeGreaterThan(10);
      expect(annotations.description.length).toBeGreaterThan(20);
    }
  });

  test("are found by the example, which knows where to scrape", () => {
    expect(prometheus.rule_files).toEqual(["prometheus-alerts.yml"]);
    const [scrape] = prometheus.scrape_configs;
    expect(scrape).toMatchObject({ job_name: "trailglass", metrics_path: server.config.metricsPath });
    expect(scrape?.authorization.type).toBe("Bearer");
  });
});

describe("the dashboard", () => {
  test("has panels with ids of their own, none upon another", () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
  });
});
