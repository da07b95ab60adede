/** What an export can be. Source: the HTTP contract. */
export const exportFormats = ["JSON", "CSV", "GPX", "KML", "GEOJSON"] as const;
export type ExportFormat = (typeof exportFormats)[number];
