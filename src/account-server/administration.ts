/**
 * The operator's commands on the control socket. Passwords are parameters and tokens are results;
 * neither is logged.
 */
import type { z } from 'zod';
import { fromHex, hex } from '#base/bytes.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { authorityKeyIdOf } from '#crypto/node-credential.ts';
import type { EventName } from '#engine/common/event-table.ts';
import type { ControlPort, EventSink } from '#runtime/ports.ts';
import { isDomainName } from '#wire/ntmobile/options.ts';
import type { AccountDatabase } from './account-database.ts';
import { type Account, Accounts } from './accounts.ts';
import type { Authorities } from './authorities.ts';
import type { AccountServerConfiguration } from './configuration.ts';
import { type Device, Devices } from './devices.ts';
import { fqdnOf, newToken, tokenHash } from './enrolment.ts';
import { answer, CommandError, type CommandHandler, command } from './operator-commands.ts';
import { PARAMETERS } from './operator-parameters.ts';
import type { AccountService, ServiceClock } from './service.ts';

interface AdministrationOptions {
  readonly configuration: AccountServerConfiguration;
  readonly database: AccountDatabase;
  readonly authorities: Authorities;
  readonly service: AccountService;
  readonly clock: ServiceClock;
  readonly events: EventSink;
}

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
   * Answers the commands of `sojourn as …`, `stats`, and the `daemonCommands`, which the daemon
   * implements.
   */
  serve(
    control: ControlPort,
    daemonCommands: Readonly<Record<string, () => JsonValue | Promise<JsonValue>>>,
  ): void {
    const commands = { ...this.#commands(), ...daemonCommands };
    control.onRequest((command, parameters, respond) => {
      const act = Object.hasOwn(commands, command) ? commands[command] : undefined;
      if (act === undefined) {
        respond(false, { error: `unknown command "${command}"` });
        return;
      }
      answer(() => act(parameters), respond);
    });
  }

  /** The counts that the command `status` shows. */
  summary(): JsonObject {
    return { ...this.#accounts.count(), devices: this.#devices.count() };
  }

  #commands(): Readonly<Record<string, CommandHandler>> {
    return {
      stats: command(PARAMETERS.none, () => ({ ...this.#options.service.counters.counters })),
      'account-list': command(PARAMETERS.none, () => this.#listAccounts()),
      'account-add': command(PARAMETERS.add, (account) => this.#add(account)),
      'account-password': command(PARAMETERS.password, (parameters) =>
        this.#setPassword(parameters),
      ),
      'account-groups': command(PARAMETERS.groups, ({ name, groups: requested }) =>
        this.#setGroups(name, requested),
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
    const tokens = this.#accounts.countUnusedTokens(this.#seconds());
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
    fqdn: requested,
    groups: all,
    password: given,
  }: z.output<typeof PARAMETERS.add>): Promise<JsonValue> {
    const { zone } = this.#options.configuration;
    const fqdn = requested ?? `${name}.${zone}`;
    if (!isDomainName(fqdn) || !fqdn.endsWith(`.${zone}`))
      throw new CommandError(`${fqdn} is not a name below ${zone}`);
    const hash = given === undefined ? undefined : await this.#options.service.hashPassword(given);
    this.#options.database.transaction(() => {
      if (this.#accounts.findByName(name) !== undefined)
        throw new CommandError(`account "${name}" already exists`);
      const other = this.#accounts.nameOfOverlapping(fqdn);
      if (other !== undefined)
        throw new CommandError(`${fqdn} overlaps the names of account "${other}"`);
      this.#accounts.add({ name, fqdn, groups: all, createdAt: this.#seconds(), password: hash });
    });
    return this.#report('account-added', { account: name, fqdn });
  }

  async #setPassword(given: z.output<typeof PARAMETERS.password>): Promise<JsonValue> {
    this.#account(given.name);
    const hash = await this.#options.service.hashPassword(given.password);
    this.#accounts.setPassword(this.#account(given.name).name, hash);
    return this.#report('account-password-set', { account: given.name });
  }

  #setGroups(name: string, groups: readonly string[]): JsonValue {
    this.#accounts.setGroups(this.#account(name).name, groups);
    return this.#report('account-groups-set', { account: name, groups });
  }

  #setDisabled(name: string, disabled: boolean): JsonValue {
    this.#accounts.setDisabled(this.#account(name).name, disabled);
    return this.#report(disabled ? 'account-disabled' : 'account-enabled', { account: name });
  }

  #removeAccount(name: string): JsonValue {
    const devices = this.#options.database.transaction(() => {
      const { id } = this.#account(name);
      const count = this.#devices.ofAccount(id).length;
      this.#devices.removeAll(id);
      this.#accounts.remove(name);
      return count;
    });
    return this.#report('account-removed', { account: name, devices });
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
    const made = this.#report('enrolment-token-made', {
      account: name,
      expiresAt: time(now + seconds),
    });
    return { ...made, token };
  }

  #listDevices(name: string | undefined): JsonValue {
    const accounts = name === undefined ? this.#accounts.list() : [this.#account(name)];
    return accounts.flatMap((account) =>
      this.#devices.ofAccount(account.id).map((device) => describeDevice(account, device)),
    );
  }

  /** Removes the device with this node id (hex) or FQDN. */
  #removeDevice(nameOrId: string): JsonValue {
    const found = this.#options.database.transaction(() => {
      const device = this.#findDevice(nameOrId);
      const account = device === undefined ? undefined : this.#accounts.findById(device.account);
      if (device === undefined || account === undefined) {
        throw new CommandError(
          `no device "${nameOrId}" (sojourn as device list shows node ids and names)`,
        );
      }
      this.#devices.remove(device);
      return {
        device: fqdnOf(account, device),
        nodeId: hex(device.nodeId),
        credentialUntil: time(device.credentialUntil),
      };
    });
    return this.#report('device-removed', found);
  }

  #findDevice(nameOrId: string): Device | undefined {
    if (/^[0-9a-f]{32}$/.test(nameOrId)) return this.#devices.findByNodeId(fromHex(nameOrId));
    for (const account of this.#accounts.list()) {
      if (nameOrId !== account.fqdn && !nameOrId.endsWith(`.${account.fqdn}`)) continue;
      return this.#devices
        .ofAccount(account.id)
        .find((device) => fqdnOf(account, device) === nameOrId);
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
    if (made === undefined)
      throw new CommandError('a rotation is already scheduled (sojourn as authority list)');
    const { publicKey, signsFrom, keyId } = made;
    const report = this.#report('authority-rotation', {
      keyId: hex(keyId),
      signsFrom: time(signsFrom),
    });
    return { ...report, publicKey: base64(publicKey) };
  }

  #account(name: string): Account {
    const account = this.#accounts.findByName(name);
    if (account === undefined)
      throw new CommandError(`no account "${name}" (sojourn as account list)`);
    return account;
  }

  /** Emits an event and returns its fields as the answer. */
  #report(event: EventName, fields: JsonObject): JsonObject {
    this.#options.events.event({ name: event, level: 'info', fields }, this.#options.clock.wall());
    return fields;
  }

  #seconds(): number {
    return Math.floor(this.#options.clock.wall() / 1000);
  }
}

function describeDevice(account: Account, device: Device): JsonObject {
  return {
    ...{ device: fqdnOf(account, device), account: account.name, nodeId: hex(device.nodeId) },
    ...{ virtualIpv4: device.virtualIpv4, publicKey: base64(device.publicKey) },
    ...{ enrolledAt: time(device.enrolledAt), lastSeenAt: time(device.lastSeenAt) },
    credentialUntil: time(device.credentialUntil),
  };
}
