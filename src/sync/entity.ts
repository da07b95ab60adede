import type { Column } from "drizzle-orm";
import type { z } from "zod";
import type { Transaction } from "../database/client.ts";
import type { Outcome, Writer } from "./apply-changes.ts";
import type { Change } from "./change.ts";
import type { Decide } from "./decide.ts";
import type { LinkEdits } from "./links.ts";
import type { SyncedTable } from "./sync-columns.ts";

/** What an entity says, as the wire has it, without the fields common to all. Every key is there; empty is null or []. */
export type Content = Record<string, unknown>;

/** Names of the lists in a delta, and so of the kinds of entities. */
export const kinds = [
  "locations",
  "placeVisits",
  "trips",
  "photos",
  "photoAttachments",
  "tripDays",
  "settings",
] as const;
export type Kind = (typeof kinds)[number];

/** The word for a kind in conflicts. */
export type EntityType =
  | "LOCATION"
  | "PLACE_VISIT"
  | "TRIP"
  | "PHOTO"
  | "PHOTO_ATTACHMENT"
  | "TRIP_DAY"
  | "SETTINGS";

/** A wire key whose value is worked out when it is read; `sql` is JSON text, or null text for nothing. */
export interface Derived {
  readonly sql: string;
}

/** Wire keys and where their values stand: a column, an object of columns, or something derived. */
export interface FieldTree {
  readonly [wireKey: string]: Column | Derived | FieldTree;
}

/**
 * Rows that say that one entity belongs to another: photos to a visit (each an attachment, itself an entity),
 * visits and photos to a trip.
 */
export type Relation = "visitPhotos" | "tripMembers";

/** One entity shown at another, or wished to be. Either end may be unknown yet: it starts to show when it arrives. */
export interface Link {
  readonly relation: Relation;
  readonly ownerId: string;
  readonly memberKind: "photos" | "placeVisits";
  readonly memberId: string;
}

/** A link that stands at an entity, shown or not, live or taken away; `rowId` names an attachment. */
export interface StandingLink extends Link {
  readonly version: number;
  readonly removed: boolean;
  readonly rowId: string | null;
}

/** A wire key that holds ids of linked entities: which links those are, and which end of them this entity is. */
export interface LinkKey {
  readonly relation: Relation;
  readonly memberKind: Link["memberKind"];
  readonly side: "owner" | "member";
}

/** What makes two entities of a kind the same but for their ids. */
export interface Repeats {
  readonly keyOf: (content: Content) => string;
  /** Ids of what the writing device has stored, by key, as far as the changes ask for it. */
  readonly findStanding: (
    tx: Transaction,
    writer: Writer,
    changes: readonly Change[],
  ) => Promise<Map<string, string>>;
}

/** A kind of entity: everything that the shared machinery needs to know of it. */
export interface Entity {
  readonly kind: Kind;
  readonly type: EntityType;
  readonly table: SyncedTable;
  /** Wire → content: checks and normalises, so that a repeat compares equal. */
  readonly schema: z.ZodObject & z.ZodType<Content>;
  readonly fields: FieldTree;
  /** Further keys that answers show, and that no device writes. */
  readonly shown?: FieldTree;
  /** Last touch to what an answer shows of an entity; `filled` are the keys to which it gives values of its own. */
  readonly present?: (entity: Content) => Content;
  readonly filled?: readonly string[];
  /** Keys of the content that never leave the server. */
  readonly internal?: readonly string[];
  /** Columns that a tombstone keeps: ids that say what it was a link between. */
  readonly keptOnDeletion?: readonly string[];
  /** Keys that phones never know: empty there means "no news" in a delta. */
  readonly unknownToPhones?: readonly string[];
  /** Wire keys that hold links instead of columns. */
  readonly linkKeys?: Readonly<Record<string, LinkKey>>;
  /** SQL of the links that stand at a row `t`, as JSON text; null text for none. */
  readonly linksSql?: string;
  /** What in a whole content contradicts itself; null when nothing does. */
  readonly contradiction?: (content: Content) => string | null;
  readonly decide: Decide;
  /** Last touch to a content, once the version that it is written under is known. */
  readonly seal?: (content: Content, version: number) => Content;
  /** The only id, of a kind that has one entity an account. */
  readonly fixedId?: string;
  /** Further changes of this kind that follow from link edits of other kinds, and from those of its own. */
  readonly derive?: (
    tx: Transaction,
    userId: string,
    edits: readonly LinkEdits[],
    own: readonly Outcome[],
  ) => Promise<Change[]>;
  /** How a new entity is known to repeat one that stands under another id; only clear, live ones are asked about. */
  readonly repeats?: Repeats;
}

/** All kinds, parents first. */
export type Registry = readonly Entity[];
