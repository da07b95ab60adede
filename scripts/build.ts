import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { compile, findSources } from "./build/bundle.ts";
import { checksumLines } from "./build/checksums.ts";
import { writeNotices } from "./build/notices.ts";
import { packRuntime } from "./build/pack-runtime.ts";
import { describePackage, type InsidePackage, packagesOf } from "./build/packages.ts";
import { root, workFolder } from "./build/places.ts";
import { type Provenance, readProvenance } from "./build/provenance.ts";
import { provideRuntimePackage } from "./build/runtime-package.ts";
import { writeSbom } from "./build/sbom.ts";
import { nativeTarget, type Target, targets } from "./build/targets.ts";

const usage = `Compiles trailglass to a file that needs nothing else.

  bun run build           dist/trailglass, for this machine
  bun run build --all     dist/trailglass-linux-x64, -linux-x64-baseline and -linux-arm64
  --into <folder>         another folder than dist

With each come SHA256SUMS and the bill of materials, trailglass.cdx.json.`;

interface Output {
  readonly target: Target;
  readonly name: string;
}

async function build(outputs: readonly Output[], folder: string): Promise<void> {
  const provenance = readProvenance();
  const packages = packagesOf(await findSources(provenance));
  const runtimes = new Map<string, InsidePackage>();
  const made: string[] = [];
  mkdirSync(folder, { recursive: true });
  for (const { target, name } of outputs) {
    const runtime = describePackage((await provideRuntimePackage(target.arch)).folder);
    runtimes.set(runtime.name, runtime);
    made.push(join(folder, name));
    await compileWith(writeNotices([runtime, ...packages]), target, provenance, join(folder, name));
    console.log(`${name}  ${(Bun.file(join(folder, name)).size / 1e6).toFixed(1)} MB`);
  }
  const sbom = join(folder, "trailglass.cdx.json");
  await Bun.write(sbom, await writeSbom([...runtimes.values(), ...packages], provenance));
  await Bun.write(join(folder, "SHA256SUMS"), await checksumLines([...made, sbom]));
}

async function compileWith(notices: string, target: Target, provenance: Provenance, output: string) {
  const folder = mkdtempSync(join(workFolder(), "notices-"));
  try {
    await Bun.write(join(folder, "licenses.txt"), notices);
    const runtime = await packRuntime(target.arch);
    await compile(target, provenance, [runtime, join(folder, "licenses.txt")], output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    all: { type: "boolean" },
    into: { type: "string", default: join(root, "dist") },
    help: { type: "boolean", short: "h" },
  },
});
const outputs: readonly Output[] = values.all
  ? targets.map((target) => ({ target, name: `trailglass-${target.name}` }))
  : [{ target: nativeTarget(), name: "trailglass" }];
if (values.help) console.log(usage);
else await build(outputs, resolve(values.into));
