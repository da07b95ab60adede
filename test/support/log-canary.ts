/** Keys under which requests and answers carry what only their owner may read. */
const secretKeys = new Set([
  ...["password", "newPassword", "currentPassword", "token", "accessToken", "refreshToken"],
  ...["email", "displayName", "encryptedData", "profilePhoto", "fileName"],
  ...["name", "notes", "caption", "placeName", "address", "latitude", "longitude"],
]);

/** What no log line may hold, whoever it belongs to: signed tokens, hashes of passwords, credentials of requests. */
const forbidden = /eyJ[\w-]{10,}\.|\$argon2|Bearer /;

/** Lines that hold a secret on purpose, where there is no mail server: an administrator is to pass it on. */
const toHandOn = /\bhand this (on|to)\b/;
const handedOn = /\b(resetLink|resetToken|link|code)"?[:=]"?[^\s",}]+/g;

/** Characters by which a secret is looked for first. */
const headLength = 6;
/** Of long texts the beginning gives them away. */
const longest = 200;

/** A text that is nobody else's by chance: a word of eight characters, or a coordinate that names a house. */
function tellTale(value: unknown): string | null {
  if (typeof value === "string") return value.length >= 8 ? value.slice(0, longest) : null;
  if (typeof value !== "number") return null;
  return /\.\d{4}/.test(String(value)) ? String(value) : null;
}

function parsed(body: unknown): unknown {
  if (typeof body !== "string") return body;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Knows what was sent to a server and what it answered, and finds it again where it must not be: in the log. */
export class LogCanary {
  readonly #byHead = new Map<string, Set<string>>();
  readonly #paths = new Set<string>();

  /** Learns the secrets of a request. @param body as an object or as JSON; other bodies hold none */
  request(path: string, body: unknown, token?: string | null): void {
    this.#paths.add(path);
    this.#walk(parsed(body));
    if (token) this.#add(token);
  }

  /** Learns those of an answer. */
  answer(body: unknown): void {
    this.#walk(parsed(body));
  }

  /** @throws naming the first line that holds what it must not */
  requireSilence(lines: readonly string[]): void {
    for (const line of lines) {
      const text = toHandOn.test(line) ? line.replaceAll(handedOn, "") : line;
      const found = forbidden.exec(text)?.[0] ?? this.#find(text);
      if (found) throw new Error(`the log holds a secret (${found}): ${line}`);
    }
  }

  #find(text: string): string | undefined {
    for (let at = 0; at + headLength <= text.length; at++) {
      const candidates = this.#byHead.get(text.slice(at, at + headLength));
      if (!candidates) continue;
      const found = [...candidates].find((secret) => text.startsWith(secret, at) && !this.#isInPath(secret));
      if (found) return found;
    }
    return undefined;
  }

  /** What a test put into a path is told of that path. */
  #isInPath(secret: string): boolean {
    return [...this.#paths].some((path) => path.includes(secret));
  }

  /** Bodies of hostile tests are nested deeper than any stack of calls. */
  #walk(body: unknown): void {
    const left = [body];
    for (let value = left.pop(); left.length > 0 || value !== undefined; value = left.pop()) {
      if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) continue;
      for (const [key, inner] of Object.entries(value)) {
        if (secretKeys.has(key)) this.#add(inner);
        if (typeof inner === "object") left.push(inner);
      }
    }
  }

  #add(value: unknown): void {
    const secret = tellTale(value);
    if (secret === null) return;
    // As it is, and as JSON has it.
    for (const form of new Set([secret, JSON.stringify(secret).slice(1, -1)])) {
      const head = form.slice(0, headLength);
      const known = this.#byHead.get(head);
      if (known) known.add(form);
      else this.#byHead.set(head, new Set([form]));
    }
  }
}

const canaries = new Map<string, LogCanary>();

/** The canary of the server at an address: whoever calls it there, and whoever reads its log, have the same one. */
export function canaryAt(url: string): LogCanary {
  const known = canaries.get(url) ?? new LogCanary();
  canaries.set(url, known);
  return known;
}

/** Looks through a server's whole log, when it has ended. @throws when it holds a secret */
export function requireSilence(url: string, lines: readonly string[]): void {
  const canary = canaryAt(url);
  canaries.delete(url);
  canary.requireSilence(lines);
}
