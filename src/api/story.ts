/*
 * Who and what the examples are about. They tell one story, so that they can be played against a server in its order:
 * Ana's phone records a walk through Lisbon, and her tablet edits what the phone has edited, too.
 */

export const phone = {
  deviceId: "8e2b1f0a-4c3d-4b5e-9f60-718293a4b5c6",
  deviceName: "Pixel 8",
  platform: "Android",
  osVersion: "15",
  appVersion: "1.4.0",
};
export const tablet = {
  deviceId: "c1d2e3f4-a5b6-4c7d-8e9f-0a1b2c3d4e5f",
  deviceName: "Tab S9",
  platform: "Android",
  osVersion: "15",
  appVersion: "1.4.0",
};
export const ana = {
  userId: "5f0c9d3e-1b7a-4e2d-8c64-9a0b1c2d3e4f",
  email: "ana@example.org",
  password: "correct horse battery",
  newPassword: "a staple, if that is better",
  displayName: "Ana",
};

export const ids = {
  location: "sample_2f6f4c1e-8f0d-4a55-9a0e-3d0c2b7a1f11",
  placeVisit: "visit_1763373600000_-1289_4711",
  trip: "trip_1763373600000_1",
  tripDay: "day_2025-11-17_e1f2a3b4c5d6e7f8a9b0c1d2",
  photo: "photo_6b1d2c3e-4f50-4a6b-8c7d-9e0f1a2b3c4d",
  announcedPhoto: "photo_0c9b8a79-6857-4463-9524-13020f1e0d0c",
  attachment: "attachment_11223344-5566-4778-8990-a1b2c3d4e5f6",
  conflict: "d7e8f9a0-b1c2-4d3e-8f4a-5b6c7d8e9f01",
  syncEpoch: "a3b4c5d6-e7f8-4a9b-8c0d-1e2f3a4b5c6d",
};

export const belem = { latitude: 38.6916, longitude: -9.216 };
export const morning = "2025-11-17T09:00:00.000Z";
export const noon = "2025-11-17T12:00:00.000Z";
export const later = "2025-11-17T18:30:00.000Z";

/** Stand for tokens. */
export const tokens = {
  access: "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.eyJzdWIiOiI1ZjBjOWQzZSJ9.c2lnbmF0dXJl",
  refresh: "rZ8k1mT2vQ4wX6yB0cD3eF5gH7jK9lN1pR3sU5vW7xY",
  refreshOfTablet: "tB5n2kL8pV1rX4zC7eG0hJ3mQ6sU9wY2aD5fH8jK1lN",
  reset: "q1W2e3R4t5Y6u7I8o9P0a1S2d3F4g5H6j7K8l9Z0x1C",
};

/** A link that whoever has it may follow, for 15 minutes. */
export function link(area: string, name: string): string {
  return `https://trails.example.org/storage/${area}/${name}?expires=1763381700&signature=c2lnbmF0dXJl`;
}

/** What answers say of an entity beside its own fields. */
export const stamp = (serverVersion: number) => ({
  localVersion: null,
  serverVersion,
  lastModified: noon,
  deviceId: phone.deviceId,
});

export const writtenAs = (id: string, serverVersion: number) => ({ id, serverVersion, syncTimestamp: later });

export const firstPage = (limit: number, total = 1) => ({ total, limit, offset: 0, hasMore: false });
