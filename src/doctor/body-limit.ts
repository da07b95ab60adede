import { inWords } from "../amounts.ts";
import { type BodyOutcome, offerBody } from "./body-offer.ts";
import type { DoctorParts } from "./check.ts";
import { fail, ok, skip, type Verdict, warn } from "./finding.ts";
import { call, publicBase } from "./public-call.ts";

const megabyte = 1024 ** 2;

/** What Cloudflare lets through on its plans for households. */
const cloudflareLimit = 100_000_000;

/** What comes with a picture: its metadata, and the borders of the form. */
const beside = 128 * 1024;

/** Sizes to narrow a limit down by: nginx takes 1 MB when not told otherwise. */
const steps = [32 * megabyte, 8 * megabyte, megabyte];

/** Tries smaller bodies until one gets through. @returns what gets through and what does not, in bytes */
async function narrowDown(base: string, refused: number): Promise<{ passes: number; refused: number }> {
  let smallest = refused;
  for (const size of steps.filter((step) => step < refused)) {
    if ((await offerBody(base, size)).end === "taken") return { passes: size, refused: smallest };
    smallest = size;
  }
  return { passes: 0, refused: smallest };
}

async function judgeCut(base: string, wanted: number, { status }: BodyOutcome): Promise<Verdict> {
  const { passes, refused } = await narrowDown(base, wanted);
  const between =
    passes > 0
      ? `those of ${inWords(passes)} get through, those of ${inWords(refused)} do not`
      : "not even 1 MB gets through";
  return fail(
    `the proxy cuts bodies off (${status ?? "it hangs up"}): ${between}, and pictures may have ${inWords(wanted)}`,
    `Let the proxy take bodies of ${Math.ceil(wanted / megabyte)} MB (nginx: client_max_body_size ${Math.ceil(wanted / megabyte)}m;), or set MAX_PHOTO_SIZE to what it takes.`,
  );
}

/** The largest picture gets through to the server. The server refuses it, as nobody has signed in: nothing is kept. */
export async function checkBodyLimit({ config, bodyTest }: DoctorParts): Promise<Verdict> {
  const base = publicBase(config);
  if (base === null) return skip("PUBLIC_URL is not set");
  if (!bodyTest) return skip("not tried (--no-body-test)");
  const first = await call(base, "/health/live");
  if (first.from !== "server") return skip("PUBLIC_URL does not lead to the server");
  const isCloudflare = first.answer.headers.has("cf-ray");
  const wanted = config.maxPhotoBytes + beside;
  const size = isCloudflare ? Math.min(wanted, cloudflareLimit) : wanted;
  const outcome = await offerBody(base, size);
  if (outcome.end === "cut") return judgeCut(base, size, outcome);
  if (outcome.end === "unknown")
    return skip(`the way is too slow to tell: ${inWords(outcome.sent)} of ${inWords(size)} sent`);
  if (wanted > size)
    return warn(
      `Cloudflare lets no more than 100 MB through, and pictures may have ${inWords(config.maxPhotoBytes)}`,
      "Set MAX_PHOTO_SIZE to 95MB.",
    );
  return ok(`bodies of ${inWords(size)} get through`);
}
