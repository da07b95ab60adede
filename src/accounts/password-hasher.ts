import { randomBytes } from "node:crypto";

/** Turns passwords into what is stored of them. */
export interface PasswordHasher {
  hash(password: string): Promise<string>;
  verify(password: string, hash: string): Promise<boolean>;
  /** Whether a stored hash was made with weaker parameters than today's. */
  isOutdated(hash: string): boolean;
  /** A hash that no password has and that takes as long to verify as a real one. */
  unmatchable(): string;
}

/**
 * Argon2id with 19 MiB, two passes and one lane: the least of OWASP's equally strong settings in memory, as befits
 * a small machine. Source: OWASP Password Storage Cheat Sheet, "Argon2id" (m=19456, t=2, p=1).
 */
export const memoryKiB = 19_456;
export const passes = 2;

const parameters = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=1\$/;
const base64 = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");

/** Argon2id as Bun brings it, on a thread of its own. */
export const argon2Hasher: PasswordHasher = {
  hash: (password) =>
    Bun.password.hash(password, { algorithm: "argon2id", memoryCost: memoryKiB, timeCost: passes }),
  verify: (password, hash) => Bun.password.verify(password, hash),
  isOutdated(hash) {
    const [, memory, time] = parameters.exec(hash) ?? [];
    return !(Number(memory) >= memoryKiB && Number(time) >= passes);
  },
  unmatchable: () =>
    `$argon2id$v=19$m=${memoryKiB},t=${passes},p=1$${base64(randomBytes(32))}$${base64(randomBytes(32))}`,
};
