import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** Names that mean nothing outside of these tests. */
export const team = "family.cloudflareaccess.com";
export const audience = "5f9a3c0e8d7b61f24a9c";

export interface TeamKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  sign(claims?: Claims): Promise<string>;
}

export interface Claims {
  readonly issuer?: string;
  readonly audience?: string;
  /** Seconds from now. */
  readonly expires?: number | null;
  readonly notBefore?: number;
}

/** A key as Cloudflare has them. */
export async function newTeamKey(alg: "RS256" | "ES256" = "RS256"): Promise<TeamKey> {
  const kid = crypto.randomUUID();
  const { publicKey, privateKey } = await generateKeyPair(alg);
  const publicJwk = { ...(await exportJWK(publicKey)), kid, alg, use: "sig" };
  return {
    kid,
    publicJwk,
    sign({ issuer = `https://${team}`, audience: aud = audience, expires = 60, notBefore = -5 } = {}) {
      const now = Math.floor(Date.now() / 1000);
      const token = new SignJWT({ email: "ada@example.org", type: "app" })
        .setProtectedHeader({ alg, kid, typ: "JWT" })
        .setIssuer(issuer)
        .setAudience([aud])
        .setIssuedAt(now - 10)
        .setNotBefore(now + notBefore);
      return (expires === null ? token : token.setExpirationTime(now + expires)).sign(privateKey);
    },
  };
}

export interface KeyServer {
  readonly url: string;
  /** How often it was asked. */
  readonly asked: number;
  /** What it answers: keys, a page, or nothing until the caller gives up. */
  answer: readonly JWK[] | (() => Response) | "silence";
  stop(): Promise<void>;
}

/** Where a team's keys are fetched from, on a real socket. */
export function startKeyServer(keys: readonly JWK[]): KeyServer {
  let asked = 0;
  const state: { answer: KeyServer["answer"] } = { answer: keys };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch() {
      asked++;
      const { answer } = state;
      if (answer === "silence") return new Promise<Response>(() => {});
      return typeof answer === "function" ? answer() : Response.json({ keys: answer });
    },
  });
  return {
    url: new URL("/cdn-cgi/access/certs", server.url).href,
    get asked() {
      return asked;
    },
    get answer() {
      return state.answer;
    },
    set answer(answer) {
      state.answer = answer;
    },
    stop: () => server.stop(true),
  };
}
