import type { z } from "zod";
import type { ErrorCode } from "../errors.ts";

/** Values by the name of what happens. A request and the answer to it have the same name. */
type Examples = Readonly<Record<string, unknown>>;

/** A body that a route reads. */
export interface RequestBody {
  /** The schema that the route validates with, or the whole of what it reads piece by piece. */
  readonly schema: z.ZodType;
  /** JSON unless it says something else. */
  readonly mediaType?: string;
  readonly examples: Examples;
  /** Whether an empty body is fine, too. */
  readonly optional?: boolean;
}

/** One way in which a route answers when all is well. */
export interface Answer {
  readonly description: string;
  /** None: the answer has no body. Everything that it may hold has to be in it. */
  readonly schema?: z.ZodType;
  /** JSON unless it says something else. */
  readonly mediaType?: string;
  readonly examples?: Examples;
  /** Names of headers in `header-descriptions.ts`, beside those that every answer has. */
  readonly headers?: readonly string[];
}

/** What there is to say of a route. What follows from who may call it is not repeated here. */
export interface Operation {
  readonly summary: string;
  /** Markdown. */
  readonly description?: string;
  /**
   * `anyone`: no headers are asked for; `device`: those of a device; `account`: a token as well; `link`: whoever has a
   * signed link.
   */
  readonly access: "anyone" | "device" | "account" | "link";
  /** Parts of the path: ids of entities, unless their schemas stand here. */
  readonly path?: z.ZodObject;
  /** Examples of the parts of the path. */
  readonly at?: Readonly<Record<string, string>>;
  /** The schema that the query is validated with. */
  readonly query?: z.ZodObject;
  /** Examples of parameters in the query; together they make a request. */
  readonly asked?: Readonly<Record<string, string>>;
  /** Names of further headers of the request in `header-descriptions.ts`. */
  readonly headers?: readonly string[];
  readonly body?: RequestBody;
  readonly answers: Readonly<Record<number, Answer>>;
  /** Beside those that follow from `access`, `body` and the path. */
  readonly errors?: readonly ErrorCode[];
}

/** A route that answers more than one method, or under a path that OpenAPI spells differently. */
export interface SeveralOperations {
  readonly path: string;
  readonly methods: Readonly<Record<string, Operation>>;
}

/** The operations of one room, by the names that its routes carry. */
export interface Chapter {
  readonly tag: string;
  readonly description: string;
  readonly operations: Readonly<Record<string, Operation | SeveralOperations>>;
}
