import type { Config } from "../../../src/config/config.ts";
import type { Problem } from "../question.ts";

/** Seconds between two clocks from which on it is said: signatures of S3 fail after 900, phones sign in for 900. */
const tolerance = 60;

/** Compares this machine's clock with another's. @param told milliseconds since 1970 */
export function clockProblem(who: string, told: number, now = Date.now()): Problem[] {
  const seconds = Math.round((now - told) / 1000);
  if (Math.abs(seconds) <= tolerance) return [];
  const way = seconds > 0 ? "ahead of" : "behind";
  return [
    {
      message: `This machine's clock is ${Math.abs(seconds)} s ${way} that of ${who}. Let it be set from the network: timedatectl set-ntp true.`,
      bearable: true,
    },
  ];
}

/** What time a web server says it is, in milliseconds since 1970; undefined when it does not. */
async function askTime(url: string): Promise<number | undefined> {
  try {
    const { headers } = await fetch(url, {
      method: "HEAD",
      redirect: "manual",
      signal: AbortSignal.timeout(3000),
    });
    const told = Date.parse(headers.get("date") ?? "");
    return Number.isNaN(told) ? undefined : told;
  } catch {
    return undefined;
  }
}

/** Whether the system says that its clock is set from the network; undefined where it does not say. */
async function isSynchronised(): Promise<boolean | undefined> {
  if (!Bun.which("timedatectl")) return undefined;
  const asked = Bun.spawn(["timedatectl", "show", "--property=NTPSynchronized", "--value"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    timeout: 3000,
  });
  const answer = (await asked.stdout.text()).trim();
  return answer === "" ? undefined : answer === "yes";
}

/** Compares the clock with those that are within reach. Only ever warnings. */
export async function examineClock({
  publicUrl,
  storageBackend,
  storageEndpoint,
}: Config): Promise<Problem[]> {
  const s3 = storageBackend === "s3" ? (storageEndpoint ?? "https://s3.amazonaws.com") : undefined;
  const places = [publicUrl, s3].filter((url) => url !== undefined);
  const [synchronised, ...times] = await Promise.all([isSynchronised(), ...places.map(askTime)]);
  const wrong = times.flatMap((told, at) =>
    told === undefined ? [] : clockProblem(new URL(places[at] as string).host, told),
  );
  if (wrong.length > 0 || synchronised !== false || times.some((told) => told !== undefined)) return wrong;
  const message = "This machine's clock is not set from the network. Do that: timedatectl set-ntp true.";
  return [{ message, bearable: true }];
}
