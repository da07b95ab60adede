import { createHash } from "node:crypto";
import { type AnyElysia, Elysia } from "elysia";
import type { Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { described } from "../http/described.ts";
import { letInByAccess } from "../http/guards.ts";
import type { Page } from "./docs-page.ts";
import type { OpenApiDocument, Paths } from "./document.ts";

function isKnown(request: Request, etag: string): boolean {
  const known = request.headers.get("if-none-match") ?? "";
  return known.split(",").some((one) => one.trim().replace(/^W\//, "") === etag);
}

/** Asked about each time, unless the page says otherwise: that costs next to nothing, and an upgrade shows at once. */
function answerWith(request: Request, { etag, body, headers }: Page): Response {
  const all = { ETag: etag, "Cache-Control": "private, no-cache", ...headers };
  return isKnown(request, etag)
    ? new Response(null, { status: 304, headers: all })
    : new Response(body(), { headers: all });
}

/** Describes the API of an app, whatever it takes to load for that. @param serverUrl what addresses start with */
export async function describeApi(app: AnyElysia, serverUrl: string): Promise<OpenApiDocument> {
  const [{ toOpenAPISchema }, { writeDocument }] = await Promise.all([
    import("@elysiajs/openapi/openapi"),
    import("./document.ts"),
  ]);
  return writeDocument(toOpenAPISchema(app, { staticFile: false }).paths as unknown as Paths, serverUrl);
}

/** The description of an app as it is sent. */
async function makeDocument(app: AnyElysia, serverUrl: string): Promise<Page> {
  const text = JSON.stringify(await describeApi(app, serverUrl));
  const etag = `"${createHash("sha256").update(text).digest("base64url")}"`;
  return { etag, body: () => text, headers: { "Content-Type": "application/json; charset=utf-8" } };
}

/**
 * `/openapi.json`, with the base path and without: the description of the API. `/docs`: the same to read and try, without
 * anything from elsewhere. All of it is loaded and made when it is first asked for: a server starts faster without.
 */
export function apiDescriptionRoutes(context: Pick<Context, "config" | "address" | "access">) {
  const { config, address } = context;
  const routes = new Elysia({ name: "api-description" }).use(letInByAccess(context));
  let made: Promise<Page> | undefined;
  const document = async ({ request }: { request: Request }) => {
    made ??= makeDocument(routes, config.publicUrl ? address.base : "/");
    return answerWith(request, await made);
  };
  const docs = async ({ request }: { request: Request }) => {
    // The addresses in the page start at its own, which must not end in a slash.
    if (new URL(request.url).pathname.endsWith("/"))
      return new Response(null, { status: 308, headers: { Location: "../docs" } });
    return answerWith(request, (await import("./docs-page.ts")).docsPage);
  };
  const file = async ({ request, params }: { request: Request; params: { file: string } }) => {
    const found = (await import("./docs-page.ts")).docsFiles.get(params.file);
    if (!found) throw notFound("File");
    return answerWith(request, found);
  };
  return routes
    .get("/openapi.json", document, described("readApiDescription"))
    .get("/api/v1/openapi.json", document, described("readApiDescription"))
    .get("/docs", docs, described("readDocs"))
    .get("/docs/:file", file, described("readDocsFile"));
}
