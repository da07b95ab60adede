import type { DoctorParts } from "../../src/doctor/check.ts";
import { ok, skip, type Verdict, warn } from "../../src/doctor/finding.ts";
import { ailment, localAddress } from "../healthcheck.ts";

/** The server of this configuration runs on this machine, as `trailglass healthcheck` asks it. */
export async function checkServer({ config }: DoctorParts): Promise<Verdict> {
  if (config.port === 0) return skip("APP_PORT is 0: nobody can know where it listens");
  const address = localAddress(config);
  const amiss = await ailment(address);
  if (amiss === null) return ok(`ready at ${address}`);
  return warn(amiss, "Start it: systemctl start trailglass, or trailglass serve. Its log says why it ended.");
}
