import type { BenchServer } from "./server.ts";

/** The part of a delta's answer that the benchmark looks at. */
export interface DeltaAnswer {
  readonly syncVersion: number;
  readonly hasMore: boolean;
  readonly accepted: Record<string, string[]>;
  readonly remoteChanges: { readonly locations: unknown[] };
}

/** A phone that sends as fast as it is answered. */
export class BenchPhone {
  private constructor(
    readonly server: BenchServer,
    readonly userId: string,
    readonly deviceId: string,
    readonly token: string,
  ) {}

  /** Makes an account with this one phone. */
  static async register(server: BenchServer): Promise<BenchPhone> {
    const deviceId = crypto.randomUUID();
    const answer = await fetch(`${server.url}/api/v1/auth/register`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Device-ID": deviceId, "X-App-Version": "1.0.0" },
      body: JSON.stringify({
        email: `${deviceId}@example.org`,
        password: crypto.randomUUID(),
        displayName: "Bench",
        deviceInfo: {
          deviceId,
          deviceName: "Bench",
          platform: "Android",
          osVersion: "15",
          appVersion: "1.0.0",
        },
      }),
    });
    if (answer.status !== 201) throw new Error(`registration answered ${answer.status}`);
    const { userId, accessToken } = (await answer.json()) as { userId: string; accessToken: string };
    return new BenchPhone(server, userId, deviceId, accessToken);
  }

  get headers(): Record<string, string> {
    return {
      "Content-Type": "application/json",
      "X-Device-ID": this.deviceId,
      "X-App-Version": "1.0.0",
      Authorization: `Bearer ${this.token}`,
    };
  }

  /** Posts a body that is JSON text already. */
  async post(path: string, body: string): Promise<Response> {
    const answer = await fetch(`${this.server.url}/api/v1${path}`, {
      method: "POST",
      headers: this.headers,
      body,
    });
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return answer;
  }

  /** The body of a delta. */
  deltaBody(lastSyncVersion: number, localChanges: object = {}): string {
    return JSON.stringify({ deviceId: this.deviceId, lastSyncVersion, localChanges });
  }

  async delta(lastSyncVersion: number, localChanges: object = {}): Promise<DeltaAnswer> {
    const answer = await this.post("/sync/delta", this.deltaBody(lastSyncVersion, localChanges));
    return (await answer.json()) as DeltaAnswer;
  }
}
