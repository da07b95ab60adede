import { existsSync } from "node:fs";

/** Waits until a server that was just started answers, or its process is gone. Exit code 0 when it is ready. */
const [url, pid] = process.argv.slice(2);
const deadline = Date.now() + 60_000;

async function isReady(): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/ready`)).ok;
  } catch {
    return false;
  }
}

while (existsSync(`/proc/${pid}`) && Date.now() < deadline) {
  if (await isReady()) process.exit(0);
  await Bun.sleep(50);
}
process.exit(1);
