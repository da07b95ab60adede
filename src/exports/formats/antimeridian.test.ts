import { expect, test } from "bun:test";
import { cutAtAntimeridian } from "./antimeridian.ts";
import type { Fix } from "./tracks.ts";

type Place = readonly [longitude: number, latitude: number, altitude?: number];

function cut(...places: readonly Place[]): Fix[][] {
  const fixes = places.map(([longitude, latitude, altitude = null], i) => ({
    time: i * 10_000,
    latitude,
    longitude,
    altitude,
  }));
  return cutAtAntimeridian(fixes as [Fix, ...Fix[]]);
}

const placesOf = (parts: readonly Fix[][]) =>
  parts.map((part) => part.map(({ longitude, latitude }) => [longitude, latitude]));

// Each row: longitude and latitude of the fixes, and of the parts they are cut into.
test.each<[string, Place[], number[][][]]>([
  ["a lone fix", [[180, 1]], [[[180, 1]]]],
  [
    "what only comes near",
    [
      [179, 1],
      [179.9, 2],
    ],
    [
      [
        [179, 1],
        [179.9, 2],
      ],
    ],
  ],
  [
    "half the globe",
    [
      [-90, 0],
      [90, 0],
    ],
    [
      [
        [-90, 0],
        [90, 0],
      ],
    ],
  ],
  [
    "eastwards",
    [
      [179, 0],
      [-177, 4],
    ],
    [
      [
        [179, 0],
        [180, 1],
      ],
      [
        [-180, 1],
        [-177, 4],
      ],
    ],
  ],
  [
    "westwards",
    [
      [-179, 0],
      [177, 4],
    ],
    [
      [
        [-179, 0],
        [-180, 1],
      ],
      [
        [180, 1],
        [177, 4],
      ],
    ],
  ],
  [
    "there and back",
    [
      [179, 0],
      [-179, 0],
      [179, 0],
    ],
    [
      [
        [179, 0],
        [180, 0],
      ],
      [
        [-180, 0],
        [-179, 0],
        [-180, 0],
      ],
      [
        [180, 0],
        [179, 0],
      ],
    ],
  ],
  [
    "one that ends on it",
    [
      [179, 1],
      [-180, 2],
    ],
    [
      [
        [179, 1],
        [180, 2],
      ],
    ],
  ],
  [
    "one that begins on it, on the other side",
    [
      [180, 1],
      [-179, 2],
    ],
    [
      [
        [-180, 1],
        [-179, 2],
      ],
    ],
  ],
  [
    "one that stands on it",
    [
      [180, 1],
      [-180, 1],
    ],
    [
      [
        [180, 1],
        [180, 1],
      ],
    ],
  ],
  [
    "a fix on it, midway",
    [
      [179, 0],
      [180, 1],
      [-179, 2],
    ],
    [
      [
        [179, 0],
        [180, 1],
      ],
      [
        [-180, 1],
        [-179, 2],
      ],
    ],
  ],
  [
    "along it",
    [
      [180, 0],
      [-180, 1],
      [180, 2],
      [179, 3],
    ],
    [
      [
        [180, 0],
        [180, 1],
        [180, 2],
        [179, 3],
      ],
    ],
  ],
])("cuts %s", (_what, fixes, parts) => {
  expect(placesOf(cut(...fixes))).toEqual(parts);
});

test("puts time and altitude of the cut between those of its neighbours", () => {
  const [before, after] = cut([179, 0, 100], [-177, 4, 500]);
  const edge = { time: 2500, latitude: 1, altitude: 200 };
  expect(before?.at(-1)).toEqual({ ...edge, longitude: 180 });
  expect(after?.[0]).toEqual({ ...edge, longitude: -180 });
  expect(cut([179, 0, 100], [-177, 4])[0]?.at(-1)?.altitude).toBeNull();
});
