/** Something the person at the terminal can put right; shown as one line. */
export class DemoFailure extends Error {
  override name = "DemoFailure";
}
