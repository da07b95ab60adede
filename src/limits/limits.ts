import type { Config } from "../config/config.ts";
import { isWithin } from "../config/proxy-ranges.ts";
import type { Rate } from "../config/rate.ts";
import { healthPath } from "../http/health-path.ts";
import type { Client } from "../http/proxy.ts";
import type { Log } from "../log.ts";
import { Counters } from "./counters.ts";
import { FamiliarPlaces } from "./familiar-places.ts";
import type { Group } from "./groups.ts";
import { Limit } from "./limit.ts";
import { networkOf } from "./network.ts";
import { type Arrival, RequestTally } from "./request-tally.ts";
import { SignInBrake } from "./sign-in-brake.ts";

export interface LimitsParts {
  readonly config: Pick<
    Config,
    | "globalRateLimitPerMinute"
    | "rateLimitAuth"
    | "rateLimitSync"
    | "rateLimitLocationBatch"
    | "rateLimitPhotoUpload"
    | "rateLimitDefault"
    | "redisUrl"
    | "trustedProxies"
  >;
  readonly log: Log;
  /** Loads the secret under which emails are counted: the same for all servers on a database. */
  readonly secret: () => Promise<Uint8Array>;
}

const linkPath = /^\/storage\//;

/** A page of a gallery loads a hundred thumbnails at once, by links that somebody signed in was given. */
const linksPerRequest = 10;

/** Every limit there is. A limit that is off is null. */
export class Limits {
  readonly #counters: Counters;
  readonly #trusted: Config["trustedProxies"];
  readonly groups: Readonly<Record<Group, Limit | null>>;
  /** All requests of one address. */
  readonly everything: Limit | null;
  /** Signed links, by address. */
  readonly links: Limit | null;
  readonly familiar = new FamiliarPlaces();
  readonly signIn: SignInBrake;

  constructor({ config, log, secret }: LimitsParts) {
    const counters = new Counters(config.redisUrl, log);
    const make = (name: string, rate: Rate | null) => rate && new Limit(counters, name, rate);
    const perMinute = (requests: number) => (requests === 0 ? null : { requests, seconds: 60 });
    const { globalRateLimitPerMinute: global } = config;
    this.#counters = counters;
    this.#trusted = config.trustedProxies;
    this.everything = make("global", perMinute(global));
    this.links = make("links", perMinute(linksPerRequest * global));
    this.groups = {
      auth: make("auth", config.rateLimitAuth),
      sync: make("sync", config.rateLimitSync),
      locationBatch: make("locations", config.rateLimitLocationBatch),
      photoUpload: make("photos", config.rateLimitPhotoUpload),
      default: make("default", config.rateLimitDefault),
    };
    this.signIn = new SignInBrake({
      counters,
      secret,
      familiar: this.familiar,
      isOn: config.rateLimitAuth !== null,
    });
  }

  /** Begins to count a request. */
  open(client: Client, path: string): RequestTally {
    this.#counters.start();
    return new RequestTally(this, client.address, this.#arrivalOf(client, path));
  }

  /** An account is at home at an address from now on. */
  welcome(accountId: string, address: string): void {
    this.familiar.note(accountId, networkOf(address).own);
  }

  /** Whether other servers' requests count here, too. */
  get areShared(): boolean {
    return this.#counters.areShared;
  }

  close(): void {
    this.#counters.stop();
  }

  #arrivalOf({ address }: Client, path: string): Arrival {
    if (linkPath.test(path)) return "link";
    // Whoever refuses a probe has a well server killed. Probes stand beside it; the world's questions count.
    return healthPath.test(path) && isWithin(address, this.#trusted) ? "probe" : "ordinary";
  }
}
