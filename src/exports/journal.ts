/** A point of a track. Degrees WGS 84, metres, metres a second, degrees from north. */
export interface TrackPoint {
  readonly deviceId: string;
  readonly deviceName: string;
  /** ISO 8601, UTC, milliseconds. */
  readonly timestamp: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly altitude: number | null;
  readonly accuracy: number;
  readonly speed: number | null;
  readonly bearing: number | null;
  readonly provider: string;
}

/** A stay at a place. */
export interface Visit {
  readonly id: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly placeName: string | null;
  readonly address: string | null;
  readonly category: string;
  readonly arrivalTime: string;
  readonly departureTime: string | null;
  readonly isFavorite: boolean;
  readonly notes: string | null;
}

/** A photo that has a place. */
export interface PlacedPhoto {
  readonly id: string;
  readonly timestamp: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly caption: string | null;
  /** Path of its picture in the same archive; null when it has none, or none was asked for. */
  readonly file: string | null;
}

/** What maps show of an account, all as of one moment. Each list is read as it is taken, and can be read once at a time. */
export interface Journal {
  /** Whose it is. */
  readonly displayName: string;
  readonly exportedAt: string;
  /** By day (UTC), then device, then time. */
  points(): AsyncIterable<TrackPoint>;
  /** By arrival. */
  visits(): AsyncIterable<Visit>;
  /** By time. */
  photos(): AsyncIterable<PlacedPhoto>;
}
