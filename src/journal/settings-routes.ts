import { sql } from "drizzle-orm";
import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { described } from "../http/described.ts";
import { signedIn } from "../http/guards.ts";
import { parse, readJson } from "../http/read.ts";
import { formatInstant } from "../sync/instant.ts";
import { instant, maybe } from "../sync/schemas.ts";
import { writeChanges } from "../sync/write.ts";
import { anyBody, readExpectedVersion, requireAccepted } from "./resource.ts";
import { defaultSettings, settings } from "./settings.ts";

/** `/settings`: the account's one set of settings; the apps' defaults until it is first written. */
export function settingsRoutes(
  context: Pick<Context, "accountQueue" | "registry" | "resources" | "sessions" | "requests">,
) {
  const { accountQueue, registry, resources } = context;
  return new Elysia({ prefix: "/settings" })
    .use(signedIn(context))
    .get(
      "/",
      async ({ session }) => {
        const query = { where: [], orderBy: sql`t.id`, limit: 1, offset: 0 };
        const [stored] = (await resources.settings.list(session.userId, query)).items;
        return stored ?? { ...defaultSettings, serverVersion: 0, lastModified: formatInstant(0) };
      },
      described("readSettings"),
    )
    .put(
      "/",
      async ({ request, session }) => {
        const body = await readJson(request, anyBody);
        const base = readExpectedVersion(body);
        const content = parse(settings.schema, body);
        const lastModified = parse(maybe(instant), body.lastModified) ?? new Date().toISOString();
        const meta = {
          id: "settings",
          deleted: false,
          encrypted: false,
          base,
          localVersion: null,
          lastModified,
        } as const;
        const change = { ...meta, kind: "settings", content, reading: "whole", strict: true } as const;
        const { outcomes } = await writeChanges(accountQueue, registry, session, [change]);
        for (const outcome of outcomes) requireAccepted(outcome, base);
        const serverVersion = outcomes[0]?.version ?? 0;
        return { serverVersion, syncTimestamp: new Date().toISOString() };
      },
      described("changeSettings"),
    );
}
