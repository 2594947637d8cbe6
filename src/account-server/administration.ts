/**
 * What operators ask of the account server and do with it, over the control socket. Passwords come
 * in here, tokens go out; neither is logged.
 */
import { z } from 'zod';
import { fromHex, hex } from '#base/bytes.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { authorityKeyIdOf } from '#crypto/node-credential.ts';
import type { EventName } from '#engine/common/event-table.ts';
import type { ControlPort, EventSink } from '#runtime/ports.ts';
import { StoreError } from '#store/database.ts';
import { MOST_GROUPS } from '#wire/ntmobile-credential.ts';
import { isDomainName } from '#wire/ntmobile-options.ts';
import type { AccountDatabase } from './account-database.ts';
import { type Account, Accounts } from './accounts.ts';
import { type Authorities, ROTATION_NOTICE_SECONDS } from './authorities.ts';
import { CertificateError } from './certificate.ts';
import type { AccountServerConfiguration } from './configuration.ts';
import { type Device, Devices } from './devices.ts';
import { fqdnOf, newToken, tokenHash } from './enrolment.ts';
import { isLabel } from './login-requests.ts';
import type { AccountService, ServiceClock } from './service.ts';

const LONGEST_GROUP = 63;
const SHORTEST_PASSWORD = 8;
const DAY_SECONDS = 86_400;
const YEAR_SECONDS = 366 * DAY_SECONDS;

export interface AdministrationOptions {
  readonly configuration: AccountServerConfiguration;
  readonly database: AccountDatabase;
  readonly authorities: Authorities;
  readonly service: AccountService;
  readonly clock: ServiceClock;
  readonly events: EventSink;
}

/** The operator asked for what cannot be; `message` says why and what to do. */
class Denied extends Error {
  override readonly name = 'Denied';
}

const group = z
  .string()
  .refine(
    (text) =>
      text.isWellFormed() && text !== '' && new TextEncoder().encode(text).length <= LONGEST_GROUP,
    `must be 1 to ${LONGEST_GROUP} octets of UTF-8`,
  );
const groups = z.array(group).max(MOST_GROUPS, `more than ${MOST_GROUPS}`);
const password = z
  .string()
  .min(SHORTEST_PASSWORD, `has fewer than ${SHORTEST_PASSWORD} characters`)
  .max(512, 'is longer than 512 characters');
const accountName = z
  .string()
  .refine(isLabel, 'must be a label: a-z, 0-9 and "-", at most 63 characters');
const named = z.strictObject({ name: accountName });

const PARAMETERS = {
  none: z.strictObject({}),
  named,
  add: z.strictObject({
    name: accountName,
    fqdn: z
      .string()
      .refine(isDomainName, 'must be a domain name in lower case without a dot at its end')
      .optional(),
    groups: groups.default([]),
    password: password.optional(),
  }),
  password: z.strictObject({ name: accountName, password }),
  groups: z.strictObject({ name: accountName, groups }),
  token: z.strictObject({
    name: accountName,
    seconds: z.int().min(60).max(YEAR_SECONDS).default(DAY_SECONDS),
  }),
  devices: z.strictObject({ name: accountName.optional() }),
  device: z.strictObject({ device: z.string() }),
  rotate: z.strictObject({
    afterSeconds: z.int().min(0).max(YEAR_SECONDS).default(ROTATION_NOTICE_SECONDS),
  }),
} as const;

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
const base64 = (octets: Uint8Array): string => `base64:${Buffer.from(octets).toString('base64')}`;

export class Administration {
  readonly #options: AdministrationOptions;
  readonly #accounts: Accounts;
  readonly #devices: Devices;

  constructor(options: AdministrationOptions) {
    this.#options = options;
    this.#accounts = new Accounts(options.database);
    this.#devices = new Devices(options.database);
  }

  /**
   * Answers the commands of `sojourn as …`, and `stats`; what `others` answers is up to the daemon.
   */
  serve(
    control: ControlPort,
    others: Readonly<Record<string, () => JsonValue | Promise<JsonValue>>>,
  ): void {
    const commands = { ...this.#commands(), ...others };
    control.onRequest((command, parameters, respond) => {
      const act = Object.hasOwn(commands, command) ? commands[command] : undefined;
      if (act === undefined) {
        respond(false, { error: `unknown command "${command}"` });
        return;
      }
      answer(() => act(parameters), respond);
    });
  }

  /** For `status`. */
  summary(): JsonObject {
    return { ...this.#accounts.count(), devices: this.#devices.count() };
  }

  #commands(): Readonly<
    Record<string, (parameters: JsonObject) => JsonValue | Promise<JsonValue>>
  > {
    return {
      stats: command(PARAMETERS.none, () => ({ ...this.#options.service.counters.counters })),
      'account-list': command(PARAMETERS.none, () => this.#listAccounts()),
      'account-add': command(PARAMETERS.add, (account) => this.#add(account)),
      'account-password': command(PARAMETERS.password, (parameters) =>
        this.#setPassword(parameters),
      ),
      'account-groups': command(PARAMETERS.groups, ({ name, groups: wanted }) =>
        this.#setGroups(name, wanted),
      ),
      'account-disable': command(PARAMETERS.named, ({ name }) => this.#setDisabled(name, true)),
      'account-enable': command(PARAMETERS.named, ({ name }) => this.#setDisabled(name, false)),
      'account-remove': command(PARAMETERS.named, ({ name }) => this.#removeAccount(name)),
      'account-token': command(PARAMETERS.token, ({ name, seconds }) =>
        this.#makeToken(name, seconds),
      ),
      'device-list': command(PARAMETERS.devices, ({ name }) => this.#listDevices(name)),
      'device-remove': command(PARAMETERS.device, ({ device }) => this.#removeDevice(device)),
      'authority-list': command(PARAMETERS.none, () => this.#listAuthorities()),
      'authority-rotate': command(PARAMETERS.rotate, ({ afterSeconds }) =>
        this.#rotate(afterSeconds),
      ),
    };
  }

  #listAccounts(): JsonValue {
    const tokens = this.#accounts.openTokens(this.#seconds());
    return this.#accounts.list().map((account) => ({
      ...{
        name: account.name,
        fqdn: account.fqdn,
        groups: account.groups,
        disabled: account.disabled,
      },
      password: account.password !== undefined,
      enrolmentTokens: tokens.get(account.id) ?? 0,
      devices: this.#devices.ofAccount(account.id).length,
      createdAt: time(account.createdAt),
    }));
  }

  async #add({
    name,
    fqdn: wanted,
    groups: all,
    password: given,
  }: z.output<typeof PARAMETERS.add>): Promise<JsonValue> {
    const { zone } = this.#options.configuration;
    const fqdn = wanted ?? `${name}.${zone}`;
    if (!isDomainName(fqdn) || !fqdn.endsWith(`.${zone}`))
      throw new Denied(`${fqdn} is no name below ${zone}`);
    const hash = given === undefined ? undefined : await this.#options.service.hashPassword(given);
    this.#options.database.transaction(() => {
      if (this.#accounts.named(name) !== undefined)
        throw new Denied(`there is an account "${name}" already`);
      const other = this.#accounts.overlapping(fqdn);
      if (other !== undefined) throw new Denied(`${fqdn} is among the names of account "${other}"`);
      this.#accounts.add({ name, fqdn, groups: all, createdAt: this.#seconds(), password: hash });
    });
    return this.#done('account-added', { account: name, fqdn });
  }

  async #setPassword(given: z.output<typeof PARAMETERS.password>): Promise<JsonValue> {
    this.#account(given.name);
    const hash = await this.#options.service.hashPassword(given.password);
    this.#accounts.setPassword(this.#account(given.name).name, hash);
    return this.#done('account-password-set', { account: given.name });
  }

  #setGroups(name: string, wanted: readonly string[]): JsonValue {
    this.#accounts.setGroups(this.#account(name).name, wanted);
    return this.#done('account-groups-set', { account: name, groups: wanted });
  }

  #setDisabled(name: string, disabled: boolean): JsonValue {
    this.#accounts.setDisabled(this.#account(name).name, disabled);
    return this.#done(disabled ? 'account-disabled' : 'account-enabled', { account: name });
  }

  #removeAccount(name: string): JsonValue {
    const devices = this.#options.database.transaction(() => {
      const { id } = this.#account(name);
      const count = this.#devices.ofAccount(id).length;
      this.#devices.removeAll(id);
      this.#accounts.remove(name);
      return count;
    });
    return this.#done('account-removed', { account: name, devices });
  }

  #makeToken(name: string, seconds: number): JsonValue {
    const now = this.#seconds();
    const token = newToken();
    this.#options.database.transaction(() => {
      this.#accounts.addEnrolmentToken(
        tokenHash(token),
        this.#account(name).id,
        now + seconds,
        now,
      );
    });
    const made = this.#done('enrolment-token-made', {
      account: name,
      expiresAt: time(now + seconds),
    });
    return { ...made, token };
  }

  #listDevices(name: string | undefined): JsonValue {
    const accounts = name === undefined ? this.#accounts.list() : [this.#account(name)];
    return accounts.flatMap((account) =>
      this.#devices.ofAccount(account.id).map((device) => rowOf(account, device)),
    );
  }

  /** By node id, or by FQDN. */
  #removeDevice(wanted: string): JsonValue {
    const found = this.#options.database.transaction(() => {
      const device = this.#deviceOf(wanted);
      const account = device === undefined ? undefined : this.#accounts.withId(device.account);
      if (device === undefined || account === undefined) {
        throw new Denied(
          `no device "${wanted}" (give a node id or a name of: sojourn as device list)`,
        );
      }
      this.#devices.remove(device);
      return {
        device: fqdnOf(account, device),
        nodeId: hex(device.nodeId),
        credentialUntil: time(device.credentialUntil),
      };
    });
    return this.#done('device-removed', found);
  }

  #deviceOf(wanted: string): Device | undefined {
    if (/^[0-9a-f]{32}$/.test(wanted)) return this.#devices.withNodeId(fromHex(wanted));
    for (const account of this.#accounts.list()) {
      if (wanted !== account.fqdn && !wanted.endsWith(`.${account.fqdn}`)) continue;
      return this.#devices
        .ofAccount(account.id)
        .find((device) => fqdnOf(account, device) === wanted);
    }
    return undefined;
  }

  #listAuthorities(): JsonValue {
    return this.#options.authorities
      .list(this.#seconds())
      .map(({ publicKey, state, signsFrom, notAfter }) => ({
        ...{
          keyId: hex(authorityKeyIdOf(publicKey)),
          publicKey: base64(publicKey),
          state,
          signsFrom: time(signsFrom),
        },
        notAfter: notAfter === undefined ? undefined : time(notAfter),
      }));
  }

  #rotate(afterSeconds: number): JsonValue {
    const made = this.#options.authorities.rotate(this.#seconds() + afterSeconds);
    if (made === undefined) throw new Denied('a rotation is under way (sojourn as authority list)');
    const { publicKey, signsFrom, keyId } = made;
    const told = this.#done('authority-rotation', {
      keyId: hex(keyId),
      signsFrom: time(signsFrom),
    });
    return { ...told, publicKey: base64(publicKey) };
  }

  #account(name: string): Account {
    const account = this.#accounts.named(name);
    if (account === undefined) throw new Denied(`no account "${name}" (sojourn as account list)`);
    return account;
  }

  /** What was done is an event, and its fields the answer. */
  #done(event: EventName, fields: JsonObject): JsonObject {
    this.#options.events.event({ name: event, level: 'info', fields }, this.#options.clock.wall());
    return fields;
  }

  #seconds(): number {
    return Math.floor(this.#options.clock.wall() / 1000);
  }
}

function rowOf(account: Account, device: Device): JsonObject {
  return {
    ...{ device: fqdnOf(account, device), account: account.name, nodeId: hex(device.nodeId) },
    ...{ virtualIpv4: device.virtualIpv4, publicKey: base64(device.publicKey) },
    ...{ enrolledAt: time(device.enrolledAt), lastSeenAt: time(device.lastSeenAt) },
    credentialUntil: time(device.credentialUntil),
  };
}

function command<S extends z.ZodType>(
  schema: S,
  act: (parameters: z.output<S>) => JsonValue | Promise<JsonValue>,
): (parameters: JsonObject) => JsonValue | Promise<JsonValue> {
  return (parameters) => {
    const parsed = schema.safeParse(parameters);
    // Issues name members and rules, never values.
    if (!parsed.success)
      throw new Denied(
        parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
      );
    return act(parsed.data);
  };
}

function isAnswer(thrown: unknown): thrown is Error {
  return (
    thrown instanceof Denied || thrown instanceof StoreError || thrown instanceof CertificateError
  );
}

/** What cannot be is an answer, and so is a store that fails; anything else is our defect. */
function answer(
  act: () => JsonValue | Promise<JsonValue>,
  respond: (ok: boolean, value: JsonValue) => void,
): void {
  const refuse = (thrown: unknown): void => {
    if (!isAnswer(thrown)) throw thrown;
    respond(false, { error: thrown.message });
  };
  void Promise.try(act).then((value) => respond(true, value), refuse);
}
