import { Elysia } from "elysia";
import { authRoutes } from "./accounts/auth-routes.ts";
import { pageRoutes } from "./accounts/pages-routes.ts";
import { userRoutes } from "./accounts/user-routes.ts";
import { apiDescriptionRoutes } from "./api/api-routes.ts";
import type { Context } from "./context.ts";
import { AppError } from "./errors.ts";
import { exportRoutes } from "./exports/export-routes.ts";
import { healthRoutes } from "./health/routes.ts";
import { errorResponse, logError, toAppError } from "./http/error-response.ts";
import { allowedMethods, patternOf } from "./http/methods.ts";
import { schedule } from "./jobs/schedule-routes.ts";
import { locationRoutes } from "./journal/location-routes.ts";
import { photoRoutes } from "./journal/photo-routes.ts";
import { placeVisitRoutes } from "./journal/place-visit-routes.ts";
import { settingsRoutes } from "./journal/settings-routes.ts";
import { tripDayRoutes } from "./journal/trip-day-routes.ts";
import { tripRoutes } from "./journal/trip-routes.ts";
import { metricsRoutes } from "./metrics/routes.ts";
import { pictureRoutes } from "./photos/picture-routes.ts";
import { storageRoutes } from "./storage/storage-routes.ts";
import { syncRoutes } from "./sync/routes.ts";

/** Every feature of the server, one line each. @param scheduled whether it also does what it does by itself */
export function createApp(context: Context, { scheduled = false } = {}) {
  const { log, requests } = context;
  const app = new Elysia()
    // First of all: whatever a later line throws is rendered here and nowhere else.
    .onError({ as: "global" }, ({ error, request }) => {
      const state = requests.get(request);
      const told = wrongMethod(error, request) ?? toAppError(error);
      logError(log, error, told, state);
      return errorResponse(told, state?.id ?? null);
    })
    .onTransform({ as: "global" }, ({ request, route }) => {
      const state = requests.get(request);
      if (state) state.route = patternOf(route);
    })
    .use(healthRoutes(context))
    .use(metricsRoutes(context))
    .use(storageRoutes(context))
    .use(pageRoutes(context))
    .use(apiDescriptionRoutes(context))
    .use(scheduled ? schedule(context) : new Elysia())
    .group("/api/v1", (api) =>
      api
        .use(healthRoutes(context))
        .use(authRoutes(context))
        .use(userRoutes(context))
        .use(syncRoutes(context))
        .use(locationRoutes(context))
        .use(placeVisitRoutes(context))
        .use(tripRoutes(context))
        .use(tripDayRoutes(context))
        .use(photoRoutes(context))
        .use(pictureRoutes(context))
        .use(settingsRoutes(context))
        .use(exportRoutes(context)),
    );

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
