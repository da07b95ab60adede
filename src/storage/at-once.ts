async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

/**
 * Works on items as they come, a few at a time. When work on one fails, no other is begun.
 * @throws what the first work that failed threw, once all that had been begun is done
 */
export async function forEachAtOnce<T>(
  items: AsyncGenerator<T> | Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const source = Symbol.asyncIterator in items ? items : each(items);
  let failed = false;
  const worker = async () => {
    try {
      while (!failed) {
        const { done, value } = await source.next();
        if (done) return;
        await work(value);
      }
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  const workers = Array.from({ length: atOnce }, worker);
  await Promise.allSettled(workers);
  await source.return(undefined);
  await Promise.all(workers);
}
