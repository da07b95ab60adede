import { createHash } from "node:crypto";
import { version } from "swagger-ui-dist/package.json" with { type: "json" };
import style from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import bundle from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };

/** Something that is sent to a browser. */
export interface Page {
  /** Strong, with its quotes. */
  readonly etag: string;
  readonly body: () => string | Blob;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Scripts, styles and calls to this server only, and nobody may put the page into a frame. Swagger UI draws its icons
 * from data in its style sheet.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Trailglass API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> does not.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

/** Shows the description of this very server, and asks no validator that stands elsewhere about it. */
const start = `SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
});
`;

function ofText(text: string, mediaType: string, headers: Readonly<Record<string, string>> = {}): Page {
  const etag = `"${createHash("sha256").update(text).digest("base64url")}"`;
  return { etag, body: () => text, headers: { "Content-Type": `${mediaType}; charset=utf-8`, ...headers } };
}

function ofFile(path: string, mediaType: string): Page {
  const headers = {
    "Content-Type": `${mediaType}; charset=utf-8`,
    "Cache-Control": "private, max-age=86400",
  };
  return { etag: `"swagger-ui-${version}"`, body: () => Bun.file(path), headers };
}

/** The page that shows the API. Its addresses are relative, so that it works behind any prefix that a proxy puts before it. */
export const docsPage = ofText(page, "text/html", {
  "Content-Security-Policy": policy,
  "Referrer-Policy": "no-referrer",
});

/** What the page is made of, by file name. */
export const docsFiles: ReadonlyMap<string, Page> = new Map([
  ["swagger-ui-bundle.js", ofFile(bundle, "text/javascript")],
  ["swagger-ui.css", ofFile(style, "text/css")],
  ["start.js", ofText(start, "text/javascript")],
]);
