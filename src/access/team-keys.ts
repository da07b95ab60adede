import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from "jose";
import type { Log } from "../log.ts";

/** Where the world around is not as usual. */
export interface AccessNetwork {
  /** Where the team's keys are, when not at its own address. */
  readonly certsUrl?: string;
  /** Milliseconds between two looks for a key that is not among those we have; 30,000 by default. */
  readonly pause?: number;
  /** Milliseconds for which keys that could not be fetched are not asked for again; 5,000 by default. */
  readonly pauseAfterFailure?: number;
  /** Milliseconds within which keys have to arrive; 3,000 by default. */
  readonly patience?: number;
}

/** Milliseconds after which keys are fetched again. Cloudflare changes them every six weeks, and keeps the old ones for one. */
const goodFor = 600_000;
const usualPatience = 3_000;

/** The keys of a team could not be fetched: nobody can be let in. The message says why. */
export class KeysAwayError extends Error {}

/** Where Cloudflare keeps the public keys of a team. Source: Cloudflare One documentation, "Validate JWTs". */
export const certsUrlOf = (teamDomain: string): string => `https://${teamDomain}/cdn-cgi/access/certs`;

function holdsKeys(text: string): boolean {
  try {
    return Array.isArray((JSON.parse(text) as { keys?: unknown } | null)?.keys);
  } catch {
    return false;
  }
}

/** Why there was no answer, without what the answer or the network said in its own words. */
function reasonOf(error: unknown): string {
  const { name, code } = error as { name?: unknown; code?: unknown };
  return String(code ?? name);
}

/**
 * Fetches the keys of a team, following no redirect: that would lead to a login page.
 * @returns their JSON @throws KeysAwayError
 */
export async function fetchTeamKeys(
  url: string,
  signal: AbortSignal = AbortSignal.timeout(usualPatience),
): Promise<string> {
  let status: number;
  let text: string;
  try {
    const answer = await fetch(url, { redirect: "manual", signal, headers: { Accept: "application/json" } });
    status = answer.status;
    text = await answer.text();
  } catch (error) {
    throw new KeysAwayError(`no answer (${reasonOf(error)})`);
  }
  if (status !== 200) throw new KeysAwayError(`the answer was ${status}`);
  if (!holdsKeys(text)) throw new KeysAwayError("the answer was no list of keys");
  return text;
}

/**
 * The keys of a team, fetched when they are needed. A key that is not among them makes them be fetched again, though
 * not more often than `pause`: made-up key ids cost Cloudflare nothing.
 */
export function teamKeys(teamDomain: string, log: Log, network: AccessNetwork = {}): JWTVerifyGetKey {
  const url = network.certsUrl ?? certsUrlOf(teamDomain);
  const { pause = 30_000, pauseAfterFailure = 5_000, patience = usualPatience } = network;
  let failedAt = Number.NEGATIVE_INFINITY;
  const load = async (_url: string, { signal }: { signal: AbortSignal }): Promise<Response> => {
    // The library waits after successes only.
    if (performance.now() - failedAt < pauseAfterFailure)
      throw new KeysAwayError("they could not be fetched a moment ago");
    try {
      return new Response(await fetchTeamKeys(url, signal));
    } catch (error) {
      failedAt = performance.now();
      const { message } = error as Error;
      log.warn({ reason: message }, "the keys of Cloudflare Access cannot be fetched: it lets nobody in");
      throw error;
    }
  };
  return createRemoteJWKSet(new URL(url), {
    cooldownDuration: pause,
    cacheMaxAge: goodFor,
    timeoutDuration: patience,
    [customFetch]: load,
  });
}
