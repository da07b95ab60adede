/** Who wants to know how far an export has come. */
export interface ExportProgress {
  /** A step begins. @param total bytes, as far as they are known @param items things that it has */
  begin(step: string, total?: number, items?: number): void;
  /** One more thing is done. @param bytes its own */
  advance(bytes: number): void;
}
