/** What is known of a refresh token at the moment it is presented. */
export interface PresentedToken {
  /** Its session is the one that its device is signed in with, and the account is not disabled. */
  readonly sessionLives: boolean;
  readonly expired: boolean;
  readonly revoked: boolean;
  readonly used: boolean;
  /** Used within the time in which the answer may just have got lost. */
  readonly usedLately: boolean;
  /** Another token with the same parent was used. */
  readonly siblingUsed: boolean;
  /** A token that was given for this one was used. */
  readonly childUsed: boolean;
}

/**
 * What becomes of a presented refresh token: `rotate` (use it up and give a new one), `repeat` (its answer was
 * lost: give another new one), `refuse` (it is simply no good), or `end-session` (it was used before, so somebody
 * has a copy, and nobody can tell who is the owner).
 *
 * Every repeat makes a sibling. Once one sibling is used the others are void: the device held on to that one.
 */
export function decideRotation(token: PresentedToken): "rotate" | "repeat" | "refuse" | "end-session" {
  if (!token.sessionLives || token.expired || token.revoked) return "refuse";
  if (!token.used) return token.siblingUsed ? "end-session" : "rotate";
  return token.usedLately && !token.childUsed ? "repeat" : "end-session";
}
