/**
 * Where somebody with a token goes on. From the configuration only: a request's `Host` is whatever its sender likes.
 * @param publicUrl as configured
 */
export function pageLink(publicUrl: string, page: "reset-password" | "invite", token: string): string {
  return `${publicUrl.replace(/\/+$/, "")}/${page}?token=${encodeURIComponent(token)}`;
}
