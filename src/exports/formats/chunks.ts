/** Characters a chunk is filled with: large enough that handing it on costs nothing, small enough to hold several. */
export const chunkLength = 32 * 1024;

/** Joins a document's many small pieces. A chunk is at most `chunkLength` and one piece more; none is empty. */
export async function* inChunks(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let chunk = "";
  for await (const piece of pieces) {
    chunk += piece;
    if (chunk.length < chunkLength) continue;
    yield chunk;
    chunk = "";
  }
  if (chunk !== "") yield chunk;
}
