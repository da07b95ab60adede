const hidden = "(set)";
const telling = /pass|secret|token|key|signature|credential/i;

/** A URL without what would let somebody in: passwords, also those that stand in its query. */
export function redactUrl(text: string): string {
  const [prefix = "", bare = text] = /^(jdbc:)?(.*)$/s.exec(text)?.slice(1) ?? [];
  if (!URL.canParse(bare)) return hidden;
  const url = new URL(bare);
  if (url.password) url.password = "HIDDEN";
  for (const name of [...url.searchParams.keys()])
    if (telling.test(name)) url.searchParams.set(name, "HIDDEN");
  return `${prefix}${url.href.replaceAll("HIDDEN", hidden)}`;
}

const databaseAddress = /^(jdbc:)?postgres(ql)?:\/\//i;
const webAddress = /^https?:\/\//i;

/** The text of a setting as it may be shown to whoever looks over the shoulder. */
export function redactSetting(text: string, secret: boolean): string {
  if ((secret ? databaseAddress : webAddress).test(text)) return redactUrl(text);
  return secret ? hidden : text;
}
