import { Histogram, type Registry } from "prom-client";
import type { Answered } from "../http/answered.ts";
import { prefix } from "./names.ts";

const methods = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]);
/** Seconds: from what memory answers to what a proxy gives up on. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 100];

/** Counts requests and how long they took. Labels are the server's own words only: strangers cannot make up new ones. */
export function requestMetrics(registry: Registry): (answered: Answered) => void {
  const duration = new Histogram({
    name: `${prefix}http_request_duration_seconds`,
    help: "From a request's arrival to the head of its answer, by route.",
    labelNames: ["method", "route", "status"],
    buckets,
    registers: [registry],
  });
  return ({ method, route = "unknown", status, milliseconds }) => {
    const labels = {
      method: methods.has(method) ? method : "other",
      route,
      status: `${Math.floor(status / 100)}xx`,
    };
    duration.observe(labels, milliseconds / 1000);
  };
}
