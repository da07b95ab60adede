import { certsUrlOf, fetchTeamKeys, KeysAwayError } from "../access/team-keys.ts";
import type { DoctorParts } from "./check.ts";
import { fail, ok, skip, type Verdict } from "./finding.ts";

/**
 * Cloudflare Access can be asked who it has let in.
 * @param certsUrl where the keys of a team are
 */
export const checkAccess =
  (certsUrl: (team: string) => string = certsUrlOf) =>
  async ({ config }: DoctorParts): Promise<Verdict> => {
    const team = config.cloudflareAccessTeamDomain;
    if (!team) return skip("not set up (CLOUDFLARE_ACCESS_TEAM_DOMAIN)");
    try {
      const { keys } = JSON.parse(await fetchTeamKeys(certsUrl(team))) as { keys: unknown[] };
      return ok(`${team} can be asked (${keys.length} keys)`);
    } catch (error) {
      if (!(error instanceof KeysAwayError)) throw error;
      const mend =
        "Check CLOUDFLARE_ACCESS_TEAM_DOMAIN and the way to the internet; until then metrics and docs stay closed.";
      return fail(`the keys of ${team} cannot be fetched: ${error.message}`, mend);
    }
  };
