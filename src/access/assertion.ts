import { type JWTVerifyGetKey, jwtVerify } from "jose";
import { AppError } from "../errors.ts";
import { KeysAwayError } from "./team-keys.ts";

/** Algorithms of Cloudflare's keys. Any other would let the token choose how it is verified. */
const algorithms = ["RS256", "ES256"];
/** Seconds by which clocks may differ. */
const clockTolerance = 30;

/** Whom an assertion has to come from, and for which application. */
export interface Expected {
  readonly keys: JWTVerifyGetKey;
  readonly issuer: string;
  readonly audience: string;
}

/**
 * Verifies what Cloudflare Access says of a request.
 * @throws 403 when it is not valid, and also when that cannot be found out: nobody is let in on trust.
 */
export async function verifyAssertion(assertion: string, { keys, ...expected }: Expected): Promise<void> {
  try {
    await jwtVerify(assertion, keys, { ...expected, algorithms, clockTolerance, requiredClaims: ["exp"] });
  } catch (error) {
    throw new AppError(
      "FORBIDDEN",
      error instanceof KeysAwayError
        ? "Cloudflare Access cannot be asked at the moment; try again"
        : "Cloudflare Access has not let this request in",
    );
  }
}
