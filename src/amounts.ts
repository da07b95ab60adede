const units = ["bytes", "KB", "MB", "GB", "TB"];

/** A number of bytes for people: `1.5 GB`. A kilobyte has 1,024 of them. */
export function inWords(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** power;
  return `${power === 0 || amount >= 100 ? Math.round(amount) : Math.round(amount * 10) / 10} ${units[power]}`;
}

const day = 86_400;

/** A length of time for people: `3 days`. @param seconds */
export function longFor(seconds: number): string {
  if (seconds >= 2 * day) return `${Math.floor(seconds / day)} days`;
  if (seconds >= 7200) return `${Math.floor(seconds / 3600)} hours`;
  if (seconds >= 120) return `${Math.floor(seconds / 60)} minutes`;
  return `${Math.round(seconds)} seconds`;
}
