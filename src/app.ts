import { Elysia } from "elysia";
import type { Context } from "./context.ts";
import { AppError } from "./errors.ts";
import { healthRoutes } from "./health/routes.ts";
import { errorResponse, logError, toAppError } from "./http/error-response.ts";
import { allowedMethods } from "./http/methods.ts";

/** Every feature of the server, one line each. */
export function createApp(context: Context) {
  const { log, requests } = context;
  const app = new Elysia()
    // First of all: whatever a later line throws is rendered here and nowhere else.
    .onError({ as: "global" }, ({ error, request }) => {
      const requestId = requests.get(request)?.id ?? null;
      const told = wrongMethod(error, request) ?? toAppError(error);
      logError(log, error, told, requestId);
      return errorResponse(told, requestId);
    })
    .use(healthRoutes(context))
    .group("/api/v1", (api) => api.use(healthRoutes(context)));

  function wrongMethod(error: unknown, request: Request): AppError | null {
    if ((error as { code?: unknown }).code !== "NOT_FOUND" || error instanceof AppError) return null;
    const allowed = allowedMethods(app.routes, new URL(request.url).pathname);
    if (allowed.length === 0) return null;
    return new AppError("METHOD_NOT_ALLOWED", `Use ${allowed.join(" or ")} here`, {
      headers: { Allow: allowed.join(", ") },
    });
  }
  return app;
}
