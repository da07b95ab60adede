/**
 * Waits for something to be so, looking every ten milliseconds.
 * @param within milliseconds; generous, as only what never comes takes them
 */
export async function until(condition: () => boolean | Promise<boolean>, within = 20_000): Promise<void> {
  const deadline = Date.now() + within;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${within} ms for nothing: ${condition}`);
    await Bun.sleep(10);
  }
}
