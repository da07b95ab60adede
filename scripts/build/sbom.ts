import { Enums, Models, Serialize, Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { program } from "../../src/version.ts";
import { readIntegrities } from "./lockfile.ts";
import { nativeParts } from "./native-parts.ts";
import type { InsidePackage } from "./packages.ts";
import type { Provenance } from "./provenance.ts";

/**
 * Says what is inside the executables, as a CycloneDX bill of materials in JSON. The same for the same commit.
 * @throws when it does not keep to CycloneDX's own schema
 */
export async function writeSbom(packages: readonly InsidePackage[], provenance: Provenance): Promise<string> {
  const bom = new Models.Bom({ serialNumber: serialNumber(provenance) });
  bom.metadata.timestamp = new Date(provenance.builtAt);
  const application = component("application", "trailglass", program.version, "MIT");
  bom.metadata.component = application;
  const integrities = readIntegrities();
  const parts = new Map(packages.map((found) => [found, componentOf(found, integrities)]));
  linkDependencies(parts);
  const bun = component("platform", "bun", program.bun, "MIT");
  const libraries = nativeParts.map(({ name, version, license }) =>
    component("library", name, name === "postgresql" ? program.postgres : version, license),
  );
  for (const part of [...parts.values(), bun, ...libraries]) {
    bom.components.add(part);
    application.dependencies.add(part.bomRef);
  }
  return checked(
    new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(spec)).serialize(bom, layout),
  );
}

const spec = Spec.Spec1dot6;
const layout = { sortLists: true, space: 2 };

// Of the commit, not of the moment: a release built again is the same document.
function serialNumber({ commit }: Provenance): string {
  return `urn:uuid:${Bun.randomUUIDv5(`trailglass ${program.version} ${commit}`, "url")}`;
}

function component(
  type: `${Enums.ComponentType}`,
  name: string,
  version: string | undefined,
  license: string,
) {
  const made = new Models.Component(type as Enums.ComponentType, name, {
    bomRef: `${name}@${version ?? ""}`,
    ...(version && { version }),
  });
  const isOne = /^[\w.-]+$/.test(license) && !license.startsWith("LicenseRef-");
  if (isOne) made.licenses.add(new Models.SpdxLicense(license));
  else made.licenses.add(new Models.LicenseExpression(license));
  return made;
}

function componentOf({ name, version, manifest }: InsidePackage, integrities: ReadonlyMap<string, string>) {
  const made = component("library", name, version, manifest.license ?? "LicenseRef-unknown");
  made.purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  const [, sha512] = /^sha512-(.+)$/.exec(integrities.get(`${name}@${version}`) ?? "") ?? [];
  if (sha512) made.hashes.set(Enums.HashAlgorithm["SHA-512"], Buffer.from(sha512, "base64").toString("hex"));
  return made;
}

// Of a package that is inside in two versions, both count as what is needed.
function linkDependencies(parts: ReadonlyMap<InsidePackage, Models.Component>): void {
  for (const [{ manifest }, part] of parts) {
    const needed = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
    for (const [{ name }, other] of parts) if (needed.includes(name)) part.dependencies.add(other.bomRef);
  }
}

async function checked(json: string): Promise<string> {
  try {
    const problem = await new Validation.JsonStrictValidator(spec.version).validate(json);
    if (problem === null) return json;
    throw new Error(`The bill of materials is not valid CycloneDX: ${JSON.stringify(problem)}`);
  } catch (error) {
    if (!(error instanceof Validation.MissingOptionalDependencyError)) throw error;
    console.warn("The bill of materials was not checked against CycloneDX's schema: ajv is not installed.");
    return json;
  }
}
