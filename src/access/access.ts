import type { Config } from "../config/config.ts";
import { AppError, unauthorized } from "../errors.ts";
import { isFromOwnMachine } from "../http/own-machine.ts";
import type { Log } from "../log.ts";
import { type Expected, verifyAssertion } from "./assertion.ts";
import { isSameSecret } from "./same-secret.ts";
import { type AccessNetwork, teamKeys } from "./team-keys.ts";

/** What a guarded surface needs to know of the configuration. */
export type AccessConfig = Pick<
  Config,
  | "cloudflareAccessTeamDomain"
  | "cloudflareAccessAud"
  | "cloudflareAccessClientId"
  | "cloudflareAccessClientSecret"
  | "metricsToken"
>;

/** A request that somebody makes who is no phone. */
export interface Visitor {
  readonly headers: Headers;
  /** Address of the socket's other end. */
  readonly peer: string;
}

/** Header in which Cloudflare Access says whom it let in. */
const assertionHeader = "cf-access-jwt-assertion";

function expectedOf(config: AccessConfig, log: Log, network: AccessNetwork): Expected | null {
  const { cloudflareAccessTeamDomain: team, cloudflareAccessAud: audience } = config;
  if (!team || !audience) return null;
  return { keys: teamKeys(team, log, network), issuer: `https://${team}`, audience };
}

/** Who may see what is not for phones: metrics, and the description of the API. */
export class Access {
  readonly #expected: Expected | null;

  constructor(
    private readonly config: AccessConfig,
    log: Log,
    network: AccessNetwork = {},
  ) {
    this.#expected = expectedOf(config, log, network);
  }

  /** Lets a reader of the API's description in: anyone, unless there is a team. @throws 401, 403 */
  async admitReader({ headers }: Pick<Visitor, "headers">): Promise<void> {
    if (!this.#expected) return;
    const assertion = headers.get(assertionHeader);
    if (!assertion) throw unauthorized("Come through Cloudflare Access");
    await verifyAssertion(assertion, this.#expected);
  }

  /**
   * Lets a reader of the metrics in who has the token, the pair of a service token, or an assertion of Cloudflare
   * Access. Where none of these is set up: programs on this machine.
   * @throws 401 to who shows nothing, 403 to who shows something wrong
   */
  async admitScraper(visitor: Visitor): Promise<void> {
    const { headers, peer } = visitor;
    if (!this.#isGuarded()) {
      if (isFromOwnMachine(headers, peer)) return;
      throw new AppError("FORBIDDEN", "Metrics are for this machine only: set METRICS_TOKEN to open them");
    }
    if (this.#hasToken(headers) || this.#hasServiceToken(headers)) return;
    if (this.#expected && headers.has(assertionHeader)) return this.admitReader(visitor);
    if (headers.has("authorization") || headers.has("cf-access-client-id"))
      throw new AppError("FORBIDDEN", "This opens no metrics");
    throw unauthorized("Metrics need a token");
  }

  #isGuarded(): boolean {
    const { metricsToken, cloudflareAccessClientId } = this.config;
    return Boolean(this.#expected ?? metricsToken ?? cloudflareAccessClientId);
  }

  #hasToken(headers: Headers): boolean {
    const { metricsToken } = this.config;
    const given = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
    return metricsToken !== undefined && given !== undefined && isSameSecret(given, metricsToken);
  }

  #hasServiceToken(headers: Headers): boolean {
    const { cloudflareAccessClientId: id, cloudflareAccessClientSecret: secret } = this.config;
    if (!id || !secret) return false;
    const isId = isSameSecret(headers.get("cf-access-client-id") ?? "", id);
    const isSecret = isSameSecret(headers.get("cf-access-client-secret") ?? "", secret);
    return isId && isSecret;
  }
}
