import { createHash } from "node:crypto";
import { type AnyElysia, Elysia } from "elysia";
import type { Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { described } from "../http/described.ts";
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

type Parts = Pick<Context, "config" | "address">;

/** Describes the API of an app, whatever it takes to load for that. @param serverUrl what addresses start with */
export async function describeApi(app: AnyElysia, serverUrl: string): Promise<OpenApiDocument> {
  const [{ toOpenAPISchema }, { writeDocument }] = await Promise.all([
    import("@elysiajs/openapi/openapi"),
    import("./document.ts"),
  ]);
  return writeDocument(toOpenAPISchema(app, { staticFile: false }).paths as unknown as Paths, serverUrl);
}

/**
 * `/openapi.json`: the description of the API, with the base path and without. Made when it is first asked for: a server starts
 * faster without.
 */
export function apiDescriptionRoutes({ config, address }: Parts) {
  const routes = new Elysia({ name: "api-description" });
  async function make(): Promise<Page> {
    const text = JSON.stringify(await describeApi(routes, config.publicUrl ? address.base : "/"));
    const etag = `"${createHash("sha256").update(text).digest("base64url")}"`;
    return { etag, body: () => text, headers: { "Content-Type": "application/json; charset=utf-8" } };
  }
  let made: Promise<Page> | undefined;
  const read = async ({ request }: { request: Request }) => {
    made ??= make();
    return answerWith(request, await made);
  };
  return routes
    .get("/openapi.json", read, described("readApiDescription"))
    .get("/api/v1/openapi.json", read, described("readApiDescription"));
}

/** `/docs`: the same to read and try, without anything from elsewhere. */
export function docsRoutes() {
  return new Elysia({ name: "docs" })
    .get(
      "/docs",
      async ({ request }) => {
        // The addresses in the page start at its own, which must not end in a slash.
        if (new URL(request.url).pathname.endsWith("/"))
          return new Response(null, { status: 308, headers: { Location: "../docs" } });
        return answerWith(request, (await import("./docs-page.ts")).docsPage);
      },
      described("readDocs"),
    )
    .get(
      "/docs/:file",
      async ({ request, params }) => {
        const file = (await import("./docs-page.ts")).docsFiles.get(params.file);
        if (!file) throw notFound("File");
        return answerWith(request, file);
      },
      described("readDocsFile"),
    );
}
