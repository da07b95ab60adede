/** Who wants to know how far a backup or a restore has come. */
export interface BackupProgress {
  /**
   * Something begins that will take a while.
   * @param total bytes, where they are known
   * @param items pictures, or tables, where they are counted: each is one call of `advance`
   */
  begin(step: string, total?: number, items?: number): void;
  /** @param bytes that are done, in addition */
  advance(bytes: number): void;
}
