/**
 * Works on items as they come, a few at a time. When work on one fails, no other is begun.
 * @throws what the first work that failed threw, once all that had been begun is done
 */
export async function forEachAtOnce<T>(
  items: AsyncGenerator<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let failed = false;
  const worker = async () => {
    try {
      while (!failed) {
        const { done, value } = await items.next();
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
  await items.return(undefined);
  await Promise.all(workers);
}
