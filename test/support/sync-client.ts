import { type SQL, sql } from "drizzle-orm";
import { instantHasher, login, type Person, register } from "../accounts/people.ts";
import { type Answer, startTestServer, type TestServer } from "./test-server.ts";

/** A whole delta answer as it came: tests look into every corner of it. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
export type Json = any;

/** Lists of a delta, and its settings. */
export type LocalChanges = Record<string, unknown>;

/**
 * One device of one account, which does exactly what a test says and nothing of its own: no retries, no bookkeeping
 * but the cursor of `sync`.
 */
export class Device {
  /** What `sync` sends as `lastSyncVersion`, and sets to what it is answered. */
  cursor = 0;

  constructor(
    readonly server: TestServer,
    readonly person: Person,
  ) {}

  get id(): string {
    return this.person.deviceId;
  }

  /** One request as this device; whatever the status. */
  request(method: string, path: string, body?: unknown): Promise<Answer> {
    const { accessToken: token, deviceId } = this.person;
    return this.server.request(method, path, { token, deviceId, ...(body !== undefined && { body }) });
  }

  /** The body of a request that has to succeed. */
  async call(method: string, path: string, body?: unknown): Promise<Json> {
    const answer = await this.request(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  }

  /** `POST /sync/delta`, whatever the status. */
  sendDelta(body: Record<string, unknown>): Promise<Answer> {
    return this.request("POST", "/sync/delta", { deviceId: this.id, lastSyncVersion: 0, ...body });
  }

  /** `POST /sync/delta`, which has to succeed; the cursor of this device is neither used nor moved. */
  async delta(body: Record<string, unknown> = {}): Promise<Json> {
    const answer = await this.sendDelta(body);
    if (answer.status !== 200) throw new Error(`delta: ${answer.status} ${answer.text}`);
    return answer.json;
  }

  /** A delta from this device's cursor, whose answer arrives: the cursor moves. */
  async sync(localChanges: LocalChanges = {}, more: Record<string, unknown> = {}): Promise<Json> {
    const answer = await this.delta({ lastSyncVersion: this.cursor, localChanges, ...more });
    this.cursor = answer.syncVersion;
    return answer;
  }

  /** A delta from this device's cursor, whose answer is lost: the server has done everything, the device knows nothing. */
  async syncAndLose(localChanges: LocalChanges = {}, more: Record<string, unknown> = {}): Promise<Json> {
    return this.delta({ lastSyncVersion: this.cursor, localChanges, ...more });
  }

  /** `GET /sync/status` */
  status(): Promise<Json> {
    return this.call("GET", "/sync/status");
  }

  /** Conflicts of the account, newest first. */
  async conflicts(status?: "open" | "resolved"): Promise<Json[]> {
    return (await this.call("GET", `/sync/conflicts${status ? `?status=${status}` : ""}`)).conflicts;
  }

  /** `POST /sync/resolve-conflict`, whatever the status. */
  resolve(conflictId: string, resolution: string, resolvedEntity?: unknown): Promise<Answer> {
    return this.request("POST", "/sync/resolve-conflict", { conflictId, resolution, resolvedEntity });
  }

  /** Everything that a device is given which starts at cursor 0, page by page. */
  async everything(more: Record<string, unknown> = {}): Promise<Json[]> {
    const pages: Json[] = [];
    for (let from = 0, hasMore = true; hasMore; ) {
      const page = await this.delta({ lastSyncVersion: from, ...more });
      pages.push(page);
      ({ syncVersion: from, hasMore } = page);
    }
    return pages;
  }

  /** The account's counter, straight from its row. */
  async counter(): Promise<number> {
    const [row] = await this.rows<{ version: number }>(
      sql`SELECT version FROM sync_versions WHERE user_id = ${this.person.userId}`,
    );
    return row?.version ?? Number.NaN;
  }

  /** Rows of a statement on the server's database. */
  async rows<T extends Record<string, unknown>>(statement: SQL): Promise<T[]> {
    return (await this.server.context.db.execute(statement)) as unknown as T[];
  }

  /** Another device of the same person. */
  async another(deviceId?: string): Promise<Device> {
    return new Device(this.server, await login(this.server, this.person, deviceId));
  }
}

/** The server with passwords that cost nothing: these tests sign in a lot. */
export function startSyncServer(): Promise<TestServer> {
  return startTestServer({}, { hasher: instantHasher });
}

/** The first device of a new account. */
export async function newDevice(server: TestServer, deviceId?: string): Promise<Device> {
  return new Device(server, await register(server, deviceId));
}

/** Two devices of a new account. */
export async function twoDevices(server: TestServer): Promise<[Device, Device]> {
  const first = await newDevice(server);
  return [first, await first.another()];
}

/** Ids of a list of entities. */
export const idsOf = (list: readonly { id: string }[]) => list.map(({ id }) => id);
