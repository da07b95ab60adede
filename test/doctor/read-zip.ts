import { type Entry, fromBuffer, type ZipFile } from "yauzl";

function open(bytes: Buffer): Promise<ZipFile> {
  return new Promise((resolve, reject) =>
    fromBuffer(bytes, { lazyEntries: true }, (error, zip) => (zip ? resolve(zip) : reject(error))),
  );
}

function read(zip: ZipFile, entry: Entry): Promise<string> {
  return new Promise((resolve, reject) =>
    zip.openReadStream(entry, (error, stream) => {
      if (!stream) return reject(error);
      const pieces: Buffer[] = [];
      stream.on("data", (piece) => pieces.push(Buffer.from(piece)));
      stream.on("end", () => resolve(Buffer.concat(pieces).toString()));
      stream.on("error", reject);
    }),
  );
}

/** The texts of a zip's files by their names. */
export async function readZip(path: string): Promise<Record<string, string>> {
  const zip = await open(Buffer.from(await Bun.file(path).bytes()));
  const texts: Record<string, string> = {};
  const done = new Promise<void>((resolve, reject) => {
    zip.on("end", resolve);
    zip.on("error", reject);
    zip.on("entry", async (entry: Entry) => {
      texts[entry.fileName] = await read(zip, entry);
      zip.readEntry();
    });
  });
  zip.readEntry();
  await done;
  return texts;
}
