import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { toCell, toLine } from "../../src/exports/csv/cells.ts";
import { type PictureServer, startPictureServer, upload } from "../storage/picture-server.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import { location, photo, trip, tripDay, visit } from "../support/sync-entities.ts";
import { exportFiles, type Files, orderOf } from "./archives.ts";

const strict = { record_delimiter: "\r\n", relax_quotes: false, relax_column_count: false };

describe("cells", () => {
  test("give back any text that is no formula", () => {
    const text = fc.string({ unit: "grapheme" }).filter((one) => !/^[=+\-@\t\r\n＝＋－＠]/.test(one));
    fc.assert(
      fc.property(fc.array(text, { minLength: 2, maxLength: 5 }), (cells) => {
        const line = toLine(cells.map((cell) => toCell(cell, "text")));
        expect(parse(line, strict)).toEqual([cells]);
      }),
    );
  });

  const formulas = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=cmd|' /C calc'!A0",
    "＝1+1",
    '="a,b"',
  ];
  test.each(formulas.map((one) => [one]))("never begin to calculate: %j", (formula) => {
    for (const type of ["text", "list"] as const) {
      const [[first = ""] = []] = parse(
        toLine([toCell(type === "list" ? [formula, "b"] : formula, type), "x"]),
        strict,
      );
      expect(first).toStartWith(`'${formula}`);
    }
  });

  test("leave numbers alone, and nothing empty", () => {
    expect(toCell(-33.5, "value")).toBe("-33.5");
    expect(toCell(1e-7, "value")).toBe("1e-7");
    expect(toCell(false, "value")).toBe("false");
    for (const type of ["text", "value", "list"] as const)
      expect([toCell(null, type), toCell(undefined, type)]).toEqual(["", ""]);
    expect(toCell([], "list")).toBe("");
  });
});

describe("the tables of an account", () => {
  let server: PictureServer;
  let device: Device;
  let files: Files;
  const notes = '=HYPERLINK("http://evil")\r\nand a second line, with "quotes"';
  beforeAll(async () => {
    server = await startPictureServer("directory");
    device = await newDevice(server);
    await device.sync({
      locations: [location("-1", { latitude: -33.25, longitude: -70.5, speed: 0.5 })],
      placeVisits: [
        visit("visit_1", { placeName: "Café “Čop”", notes, photos: ["photo_1"], isFavorite: true }),
      ],
      trips: [trip("trip_1", { name: "+1", countries: ["Austria", "Italy"], placeVisits: ["visit_1"] })],
      tripDays: [tripDay("day_1", "trip_1", "2025-04-01", { notes: "@home" })],
      photos: [photo("photo_1", { caption: "-- a caption" }), photo("photo_2", { location: null })],
    });
    await upload(device, "photo_1");
    files = await exportFiles(server, orderOf(device, { format: "CSV" }));
  });
  afterAll(() => server.stop());

  const read = (name: string): Record<string, string>[] =>
    parse(files.get(name) ?? "", { ...strict, bom: true, columns: true });

  test("are one a kind, with pictures beside them", () => {
    expect([...files.keys()].filter((name) => name.endsWith(".csv"))).toEqual([
      "devices.csv",
      "locations.csv",
      "place-visits.csv",
      "trips.csv",
      "trip-days.csv",
      "photos.csv",
      "photo-attachments.csv",
    ]);
    const [{ file = "" } = {}] = read("photos.csv").filter(({ id }) => id === "photo_1");
    expect(files.get(file)?.byteLength).toBeGreaterThan(10);
  });

  test("begin with the mark by which Excel knows UTF-8, and end lines as the standard has it", () => {
    for (const [name, bytes] of files) {
      if (!name.endsWith(".csv")) continue;
      expect([...bytes.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf]);
      expect(bytes.toString()).toEndWith("\r\n");
    }
    expect(read("photo-attachments.csv")).toHaveLength(1);
  });

  test("hold what the journal says, and no formula", () => {
    expect(read("locations.csv")[0]).toMatchObject({
      id: "'-1",
      latitude: "-33.25",
      longitude: "-70.5",
      speed: "0.5",
      altitude: "",
    });
    expect(read("place-visits.csv")[0]).toMatchObject({
      placeName: "Café “Čop”",
      notes: `'${notes}`,
      isFavorite: "true",
      latitude: "48.1",
      photos: "photo_1",
      tripId: "trip_1",
      arrivalTime: "2025-04-01T12:00:00.000Z",
    });
    expect(read("trips.csv")[0]).toMatchObject({
      name: "'+1",
      countries: "Austria; Italy",
      placeVisits: "visit_1",
    });
    expect(read("trip-days.csv")[0]).toMatchObject({ notes: "'@home", date: "2025-04-01" });
    const [shown, without] = read("photos.csv");
    expect(shown).toMatchObject({
      caption: "'-- a caption",
      placeVisitId: "visit_1",
      mediaType: "image/png",
    });
    expect(without).toMatchObject({ latitude: "", file: "", size: "" });
    const all = [...files].filter(([name]) => name.endsWith(".csv")).flatMap(([name]) => read(name));
    for (const row of all)
      for (const cell of Object.values(row))
        if (Number.isNaN(Number(cell))) expect(cell).not.toMatch(/^[=+\-@\t\r]/);
  });
});
