import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { belem, firstPage, ids, morning, noon, stamp } from "../api/story.ts";
import { id, instant, named, pagination, point, stamped } from "../api/vocabulary.ts";
import { common } from "../sync/change.ts";
import { attachmentsAnswer, exampleAttachment } from "./attachment-description.ts";
import { placeVisit } from "./place-visit.ts";
import { listQuery } from "./place-visit-routes.ts";
import {
  changeOne,
  createOne,
  entityChange,
  idInPath,
  newEntity,
  readOne,
  removeOne,
} from "./resource-description.ts";

export const placeVisitAnswer = named(
  "PlaceVisit",
  z.strictObject({
    id,
    location: point,
    placeName: z.string().nullable(),
    address: z.string().nullable(),
    category: z
      .string()
      .describe(
        "`HOME`, `WORK`, `FOOD`, `SHOPPING`, `FITNESS`, `ENTERTAINMENT`, `TRAVEL`, `HEALTHCARE`, `EDUCATION`, `RELIGIOUS`, `SOCIAL`, `OUTDOOR`, `SERVICE`, `OTHER`; an unknown one is kept as sent.",
      ),
    arrivalTime: instant,
    departureTime: instant.nullable(),
    durationMinutes: z.int().min(0).nullable(),
    confidence: z.number().min(0).max(1),
    isFavorite: z.boolean(),
    notes: z.string().nullable(),
    photos: z.array(id),
    tripId: id.nullable(),
    createdBy: z.string().nullable(),
    ...stamped,
  }),
  "A stay at a place, as the phone recognised it or the person entered it.",
);

/** A visit as a phone sends it. */
export const placeVisitChange = named(
  "PlaceVisitChange",
  z.object({ ...common.shape, ...placeVisit.schema.shape }),
);

const tower = {
  location: belem,
  placeName: "Torre de Belém",
  address: null,
  category: "OUTDOOR",
  arrivalTime: morning,
  departureTime: noon,
  durationMinutes: 180,
  confidence: 0.92,
  isFavorite: false,
  notes: "By tram.",
  photos: [],
};
export const examplePlaceVisit = {
  id: ids.placeVisit,
  ...tower,
  tripId: null,
  createdBy: null,
  ...stamp(2),
};

export const placeVisitChapter: Chapter = {
  tag: "Place visits",
  description: "Stays at places.",
  operations: {
    listPlaceVisits: {
      summary: "Visits, newest first",
      access: "account",
      query: listQuery,
      asked: { startTime: morning, category: "OUTDOOR", isFavorite: "false" },
      answers: {
        200: {
          description: "A page.",
          schema: named(
            "PlaceVisits",
            z.strictObject({ placeVisits: z.array(placeVisitAnswer), pagination }),
          ),
          examples: { day: { placeVisits: [examplePlaceVisit], pagination: firstPage(100) } },
        },
      },
    },
    createPlaceVisit: createOne("Adds a visit", newEntity("NewPlaceVisit", placeVisit), {
      id: ids.placeVisit,
      value: { id: ids.placeVisit, ...tower },
      version: 2,
    }),
    readPlaceVisit: readOne("A visit", placeVisitAnswer, { id: ids.placeVisit, value: examplePlaceVisit }),
    changePlaceVisit: changeOne("Changes a visit", entityChange("PlaceVisitPatch", placeVisit), {
      id: ids.placeVisit,
      value: { notes: "Windy.", isFavorite: true, expectedVersion: 2 },
      version: 3,
    }),
    removePlaceVisit: removeOne("Deletes a visit", ids.placeVisit),
    listPhotosOfPlaceVisit: {
      summary: "The photos of a visit",
      access: "account",
      path: idInPath,
      at: { id: ids.placeVisit },
      answers: {
        200: {
          description: "What links them to it, oldest first.",
          schema: attachmentsAnswer,
          examples: { one: { attachments: [exampleAttachment] } },
        },
      },
    },
  },
};
