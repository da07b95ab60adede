/**
 * Where a new password is chosen. From the configuration only: a request's `Host` is whatever its sender likes.
 * @param publicUrl as configured
 */
export function resetLink(publicUrl: string, token: string): string {
  return `${publicUrl.replace(/\/+$/, "")}/reset-password?token=${encodeURIComponent(token)}`;
}
