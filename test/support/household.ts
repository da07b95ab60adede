import { Phone } from "./phone.ts";
import type { OpenConflict } from "./phone-answer.ts";
import type { View } from "./phone-content.ts";
import type { Credentials, PhoneOptions } from "./phone-options.ts";
import type { Decision } from "./phone-person.ts";
import { differences, firstOf } from "./snapshot-difference.ts";

/** One account with several phones. */
export class Household {
  readonly phones: Phone[] = [];
  readonly credentials: Credentials;

  constructor(
    readonly baseUrl: string,
    readonly passphrase: string | null = null,
  ) {
    const password = `${crypto.randomUUID()}-Aa1`;
    this.credentials = { email: `test-${crypto.randomUUID()}@example.org`, password };
  }

  /** Signs one more phone in; the first one registers the account. */
  async add(options: Omit<PhoneOptions, "baseUrl">): Promise<Phone> {
    const phone = this.#phone(options);
    if (this.phones.length === 0) await phone.register(this.credentials);
    else await phone.login(this.credentials);
    this.phones.push(phone);
    return phone;
  }

  /** A device that knows nothing yet, brought up to date from cursor 0. It is no member of the household. */
  async fresh(view: View, pagesLimit?: number): Promise<Phone> {
    const paging = pagesLimit === undefined ? {} : { pagesLimit };
    const phone = this.#phone({ name: `fresh ${view}`, newClient: view === "new", ...paging });
    await phone.login(this.credentials);
    await phone.syncUntilQuiet(10_000);
    return phone;
  }

  /** All phones sync, in turn, until a whole turn brings nothing new to any of them. */
  async settle(decide: (conflict: OpenConflict) => Decision): Promise<void> {
    for (const phone of this.phones) phone.person.decide = decide;
    for (let turn = 0; turn < 50; turn++) {
      const before = this.#state();
      for (const phone of this.phones) await phone.syncUntilQuiet(1_000);
      if (this.#state() === before) return;
    }
    throw new Error("the phones keep sending each other changes for ever");
  }

  /** How each phone differs from a fresh device, and so from each other; empty when all have converged. */
  async divergences(): Promise<string[]> {
    const fresh = { today: await this.fresh("today"), new: await this.fresh("new", 7) };
    const found = this.phones.flatMap((phone) =>
      differences(phone.snapshot(), fresh[phone.view].snapshot()).map((one) => `${phone.name}: ${one}`),
    );
    const both = differences(fresh.today.snapshot(), fresh.new.snapshot("today"));
    return firstOf(
      this.passphrase === null ? [...found, ...both.map((one) => `fresh devices: ${one}`)] : found,
    );
  }

  #phone(options: Omit<PhoneOptions, "baseUrl">): Phone {
    const sealed = this.passphrase === null ? {} : { passphrase: this.passphrase };
    return new Phone({ baseUrl: this.baseUrl, ...sealed, ...options });
  }

  #state(): string {
    return JSON.stringify(this.phones.map(({ store }) => [store.cursor, store.revision]));
  }
}
