import { type SQL, sql } from "drizzle-orm";

/** Mean radius of the earth in metres. Source: IUGG; Moritz, Geodetic Reference System 1980, R1. */
const earthRadius = 6_371_008.8;
/** Points less precise than this, in metres, jump about and would add length that nobody travelled. */
const worstAccuracy = 100;
/** A longer silence than this, in hours, is a gap in the track, not a straight way. */
const longestGap = 6;

/**
 * Length in metres of the tracks of an account, a device at a time: great-circle distance (haversine) between
 * consecutive points. Off by up to 0.5 % from the ellipsoid.
 */
export function trackLength(userId: string): SQL {
  return sql`
    SELECT coalesce(sum(2 * ${earthRadius}::double precision * asin(least(1, sqrt(
        power(sind((latitude - latitude_before) / 2), 2)
        + cosd(latitude) * cosd(latitude_before) * power(sind((longitude - longitude_before) / 2), 2))))), 0) AS metres
    FROM (
      SELECT timestamp, latitude, longitude, lag(timestamp) OVER track AS timestamp_before,
        lag(latitude) OVER track AS latitude_before, lag(longitude) OVER track AS longitude_before
      FROM location_samples
      WHERE user_id = ${userId} AND deleted_at IS NULL AND coalesce(accuracy, 0) <= ${worstAccuracy}
      WINDOW track AS (PARTITION BY device_id ORDER BY timestamp, id)
    ) step
    WHERE timestamp - timestamp_before <= make_interval(hours => ${longestGap})`;
}
