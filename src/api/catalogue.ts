import { authChapter } from "../accounts/auth-description.ts";
import { userChapter } from "../accounts/user-description.ts";
import { exportChapter } from "../exports/export-description.ts";
import { healthChapter } from "../health/health-description.ts";
import { locationChapter } from "../journal/location-description.ts";
import { photoChapter } from "../journal/photo-description.ts";
import { placeVisitChapter } from "../journal/place-visit-description.ts";
import { settingsChapter } from "../journal/settings-description.ts";
import { tripDayChapter } from "../journal/trip-day-description.ts";
import { tripChapter } from "../journal/trip-description.ts";
import { metricsChapter } from "../metrics/metrics-description.ts";
import { pictureChapter } from "../photos/picture-description.ts";
import { storageChapter } from "../storage/storage-description.ts";
import { syncChapter } from "../sync/sync-description.ts";
import { apiChapter } from "./api-description.ts";
import type { Chapter } from "./operation.ts";

/** Every chapter of the API's description, in the order in which it is read. */
export const chapters: readonly Chapter[] = [
  authChapter,
  userChapter,
  syncChapter,
  locationChapter,
  placeVisitChapter,
  tripChapter,
  tripDayChapter,
  photoChapter,
  pictureChapter,
  storageChapter,
  settingsChapter,
  exportChapter,
  healthChapter,
  metricsChapter,
  apiChapter,
];
