import { afterAll, beforeAll, expect, test } from "bun:test";
import { Household } from "../support/household.ts";
import { LossyNetwork } from "../support/lossy-network.ts";
import type { Phone } from "../support/phone.ts";
import type { OpenConflict } from "../support/phone-answer.ts";
import type { Exchange } from "../support/phone-options.ts";
import type { Decision } from "../support/phone-person.ts";
import type { PictureUpload } from "../support/phone-pictures.ts";
import { ApiFailure, LostAnswer } from "../support/phone-transport.ts";
import { PictureLedger } from "../support/picture-ledger.ts";
import { isPlaceless, RandomJournal } from "../support/random-journal.ts";
import { RandomPictures } from "../support/random-pictures.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { SyncOracle } from "../support/sync-oracle.ts";

/*
 * I9, and with it most of sync.md: whatever people do on their phones, and whatever the network and the machine do to
 * them, in the end all hold the same, and nothing acknowledged was lost on the way.
 * TEST_SEED repeats a run (but for its timing), TEST_SYNC_ROUNDS and TEST_SYNC_STEPS make it longer.
 */
const SEED = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const ROUNDS = Number(process.env.TEST_SYNC_ROUNDS ?? 8);
const STEPS = Number(process.env.TEST_SYNC_STEPS ?? 20);
const PHASES = 2;

let server: ServerProcess;

beforeAll(async () => {
  console.info(`convergence: TEST_SEED=${SEED}`);
  server = await startServerProcess();
}, 120_000);

afterAll(() => server?.stop());

for (let round = 0; round < ROUNDS; round++) {
  const name = `phones converge, round ${round} of seed ${SEED}`;
  test(name, () => play(new SeededRandom(SEED + round), round).catch(withServerOutput), 120_000);
}

function withServerOutput(error: unknown): never {
  console.info(`the server said:\n${server.output() || "nothing"}`);
  throw error;
}

async function play(random: SeededRandom, round: number): Promise<void> {
  // Phones in clear mode are never sent envelopes, so an account is either sealed for all or for none.
  const passphrase = round % 4 === 3 ? "a household's secret" : null;
  const household = new Household(server.url, passphrase);
  const oracle = new SyncOracle(passphrase);
  const pictures = new PictureLedger();
  const observe = (exchange: Exchange) => {
    oracle.observe(exchange);
    pictures.observe(exchange);
    for (const { id } of exchange.outgoing.request.localChanges.photos ?? [])
      if (isPlaceless(String(id))) oracle.ledger.exempt("photos", String(id));
  };
  const networks = await movePhonesIn(household, { oracle, observe }, random);
  const people = household.phones.map((phone) => personOf(phone, random.fork()));
  for (let phase = 0; phase < PHASES; phase++) {
    const busy = people.map((person) => live(person, pictures));
    await Promise.all([...busy, trouble(random.fork(), phase)]);
    for (const network of networks) network.calm = true;
    for (const network of networks) await network.settled();
    // Also when everyone insists: a raised localVersion has to get through.
    const endings = random.pick<readonly Decision[]>([["keep-mine"], ["let-go"], ["keep-mine", "let-go"]]);
    await household.settle(() => random.pick(endings));
    expect(await household.divergences()).toEqual([]);
    for (const network of networks) network.calm = false;
  }
  const fresh = await household.fresh(
    household.phones.some((phone) => phone.view === "new") ? "new" : "today",
  );
  expect(oracle.conclude(fresh, await fresh.keptConflicts())).toEqual([]);
  // What is sealed in the end shows no picture.
  if (passphrase === null) expect(pictures.conclude(fresh)).toEqual([]);
}

interface Observers {
  oracle: SyncOracle;
  observe: (exchange: Exchange) => void;
}

async function movePhonesIn(household: Household, { oracle, observe }: Observers, random: SeededRandom) {
  const networks: LossyNetwork[] = [];
  const sameApp = household.passphrase !== null;
  for (let count = random.int(2, 5), index = 0; index < count; index++) {
    const lossy = new LossyNetwork(random.fork());
    const skew = random.int(-3_600_000, 3_600_000);
    const limit = random.pick([null, 3, 20]);
    const newClient = !sameApp && random.chance(0.5);
    await household.add({
      name: `phone ${index}${newClient ? " (new)" : ""}`,
      deviceId: random.uuid(),
      network: lossy.network,
      newClient,
      ...(limit === null ? {} : { pagesLimit: limit }),
      clock: () => new Date(Date.now() + skew),
      decide: someone(random.fork(), newClient, oracle),
      observe,
      retryPause: 20,
    });
    networks.push(lossy);
  }
  return networks;
}

/** A person who decides at random; only the coming app calls resolve-conflict. */
function someone(
  random: SeededRandom,
  newClient: boolean,
  oracle: SyncOracle,
): (conflict: OpenConflict) => Decision {
  const today: Decision[] = ["keep-mine", "keep-mine", "let-go", "later"];
  return (conflict) => {
    const mergeable = conflict.conflictType !== "DELETION_CONFLICT" && conflict.kind !== "photos";
    const more: Decision[] = mergeable ? ["resolve-merge"] : [];
    const coming: Decision[] = [...today, "resolve-mine", "resolve-theirs", ...more];
    const decision = random.pick(newClient ? coming : today);
    if (decision.startsWith("resolve-")) oracle.noteResolved(conflict);
    return decision;
  };
}

interface Person {
  phone: Phone;
  random: SeededRandom;
  journal: RandomJournal;
  pictures: RandomPictures;
}

/** The same through all phases: what was made on a phone is known to it for good. */
function personOf(phone: Phone, random: SeededRandom): Person {
  const journal = new RandomJournal(phone, random);
  return { phone, random, journal, pictures: new RandomPictures(phone, random.fork(), journal.photosMade) };
}

/** One person's day: some changes, then perhaps a sync, again and again, online or not. */
async function live({ phone, random, journal, pictures }: Person, ledger: PictureLedger): Promise<void> {
  for (let step = 0; step < STEPS; step++) {
    for (let changes = random.int(0, 4); changes > 0; changes--) journal.step();
    const call = random.pick(["sync", "sync", "sync", "batch", "status", "offline"] as const);
    const upload = random.chance(0.35) ? pictures.next() : null;
    const order = random.pick(["before", "during", "after"] as const);
    const during = meet(
      order,
      () => contact(phone, call),
      async () => upload && bring(phone, upload, ledger),
    );
    // The person goes on while the request is under way.
    if (random.chance(0.3)) journal.step();
    await during;
  }
}

/** A picture comes before the delta that tells of its photo, together with it, or after it. */
async function meet(
  order: "before" | "during" | "after",
  talk: () => Promise<unknown>,
  bringPicture: () => Promise<unknown>,
): Promise<void> {
  if (order === "before") await bringPicture();
  if (order === "during") await Promise.all([bringPicture(), talk()]);
  else await talk();
  if (order === "after") await bringPicture();
}

/** Refused when the photo has another picture, was deleted, or is sealed. */
async function bring(phone: Phone, upload: PictureUpload, ledger: PictureLedger): Promise<void> {
  try {
    const { url } = await phone.uploadPicture(upload);
    ledger.noteTaken(upload.photoId, url);
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 409) return;
    if (!isAway(error)) throw error;
    await Bun.sleep(10);
  }
}

async function contact(phone: Phone, call: "sync" | "batch" | "status" | "offline"): Promise<void> {
  try {
    if (call === "sync") await phone.sync();
    else if (call === "batch") await phone.uploadBatch();
    else if (call === "status") await phone.status();
  } catch (error) {
    if (!isAway(error)) throw error;
    await Bun.sleep(10);
  }
}

function isAway(error: unknown): boolean {
  return error instanceof LostAnswer || (error instanceof ApiFailure && error.status === 503);
}

/** In every second phase the server is killed in the midst, and comes back on the same data. */
async function trouble(random: SeededRandom, phase: number): Promise<void> {
  if (phase % 2 === 0) return;
  await Bun.sleep(random.int(20, 250));
  await server.kill("SIGKILL");
  await Bun.sleep(random.int(0, 100));
  await server.restart();
}
