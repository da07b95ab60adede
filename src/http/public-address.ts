/** Listened on everywhere: an address to bind to, not one to go to. */
const wildcards = new Set(["0.0.0.0", "[::]"]);

/** Where links to this server lead. It never depends on what a request says in its `Host`. */
export class PublicAddress {
  #base: string | undefined;
  readonly #isConfigured: boolean;

  /** @param publicUrl as configured; a path in it is where a proxy has put this server */
  constructor(publicUrl: string | undefined) {
    this.#isConfigured = publicUrl !== undefined;
    if (publicUrl === undefined) return;
    const { origin, pathname } = new URL(publicUrl);
    this.#base = origin + pathname.replace(/\/+$/, "");
  }

  /** Told once the server listens: where nothing is configured, links lead there, from this machine at least. */
  listening(url: string): void {
    if (this.#isConfigured) return;
    const address = new URL(url);
    if (wildcards.has(address.hostname)) address.hostname = "localhost";
    this.#base = address.origin;
  }

  /** What links start with, without a slash at its end. @throws before the server listens, where none is configured */
  get base(): string {
    if (this.#base === undefined) throw new Error("The server has no address yet: it does not listen");
    return this.#base;
  }
}
