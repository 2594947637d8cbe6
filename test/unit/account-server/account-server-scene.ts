/**
 * An account server without HTTPS: a real store in a temporary directory, a clock that the test
 * advances, and nodes that implement the specification independently.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AccountDatabase } from '#account-server/account-database.ts';
import { Administration } from '#account-server/administration.ts';
import { Authorities, type KeyFiles } from '#account-server/authorities.ts';
import type { AccountServerConfiguration } from '#account-server/configuration.ts';
import type { IssuedCredential } from '#account-server/enrolment.ts';
import { isRefusal, type Refusal } from '#account-server/reasons.ts';
import { AccountService } from '#account-server/service.ts';
import { ipv4, ipv6, type Prefix, parseIpAddress, parsePrefix } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { monotonic, wall } from '#base/time.ts';
import { verifyCredential } from '#crypto/node-credential.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import { expectSound } from '#test/sim/event-faults.ts';
import type { NodeCredential } from '#wire/ntmobile/credential.ts';
import type { NodeKey } from './node-key.ts';

export const PASSWORD = 'correct horse battery staple';
export const SOURCE = ipv4('192.0.2.77');
/** The start time of a scene, in seconds. */
export const START = 1_800_000_000;

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`${text} is not a prefix`);
  return parsed;
}

export const CONFIGURATION: AccountServerConfiguration = {
  zone: 'nodes.example',
  systemPrefix: prefix('fd12:3456:789a::/48'),
  nodeIpv4Prefix: prefix('198.18.0.0/16'),
  generalIpv4Prefix: prefix('198.19.0.0/16'),
  relayKeys: [],
  directionCoordinators: [
    {
      name: 'dc.example',
      publicKey: new Uint8Array(32).fill(9),
      endpoints: [{ address: ipv6('2001:db8::1'), port: 7890 }],
    },
  ],
  ...{
    credentialSeconds: 86_400,
    renewalSeconds: 30 * 86_400,
    renewalGraceSeconds: 3600,
    devicesPerAccount: 4,
  },
  // The lowest cost that scrypt accepts, so that tests are fast.
  hashing: { cost: { costLog2: 4, blockSize: 8, parallelization: 1 }, concurrency: 2 },
  limits: {
    ...{ source: { perMinute: 600, burst: 100 }, account: { perMinute: 600, burst: 100 } },
    system: { perMinute: 600, burst: 100 },
    connections: {
      ...{ total: 20, reserved: 4, perSource: 8, perNetwork: 12 },
      rate: { perMinute: 6000, burst: 100 },
    },
  },
};

/** Key files in memory. They survive a restart of the scene. */
class MemoryKeyFiles implements KeyFiles {
  readonly #secrets = new Map<string, Uint8Array>();

  exists(name: string): boolean {
    return this.#secrets.has(name);
  }

  open(name: string): Uint8Array {
    const known = this.#secrets.get(name) ?? crypto.getRandomValues(new Uint8Array(32));
    this.#secrets.set(name, known);
    return known;
  }

  promote(): void {
    this.#secrets.set('authority', this.open('authority-next'));
    this.#secrets.delete('authority-next');
  }

  lose(name: string): void {
    this.#secrets.delete(name);
  }
}

interface RecordedEvent {
  readonly name: string;
  readonly level: string;
  readonly fields: JsonObject;
}

/** The members of a login request besides account, key and proof. */
interface LoginFields {
  readonly password?: string;
  readonly enrolmentToken?: string;
  readonly device?: string;
  /** In milliseconds; by default later than every earlier request. */
  readonly timestamp?: number;
}

export class AccountScene implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'sojourn-as-'));
  readonly files = new MemoryKeyFiles();
  readonly events: RecordedEvent[] = [];
  readonly exchange = keyPairOf(new Uint8Array(32).fill(7));
  configuration: AccountServerConfiguration;
  nowMs = START * 1000;
  database: AccountDatabase;
  authorities: Authorities;
  service: AccountService;
  #request: ((command: string, parameters: JsonObject) => Promise<JsonValue>) | undefined;

  constructor(configuration: Partial<AccountServerConfiguration> = {}) {
    this.configuration = { ...CONFIGURATION, ...configuration };
    this.database = new AccountDatabase(join(this.directory, 'as.sqlite'));
    this.authorities = new Authorities(this.database, this.files, this.seconds);
    this.service = this.#newService();
    this.#administer();
  }

  get seconds(): number {
    return Math.floor(this.nowMs / 1000);
  }

  /** Restarts the daemon, with changes of the configuration if given. */
  restart(configuration: Partial<AccountServerConfiguration> = {}): void {
    this.database.close();
    this.configuration = { ...this.configuration, ...configuration };
    this.database = new AccountDatabase(join(this.directory, 'as.sqlite'));
    this.authorities = new Authorities(this.database, this.files, this.seconds);
    this.service = this.#newService();
    this.#administer();
  }

  pass(seconds: number): void {
    this.nowMs += seconds * 1000;
  }

  /** Runs a command of the operator. Throws the error of a refused command. */
  async request(command: string, parameters: JsonObject = {}): Promise<JsonValue> {
    if (this.#request === undefined) throw new Error('no control socket');
    return await this.#request(command, parameters);
  }

  async token(name: string, seconds?: number): Promise<string> {
    const made = await this.request('account-token', { name, seconds });
    if (!isJsonObject(made) || typeof made['token'] !== 'string') throw new Error('no token');
    return made['token'];
  }

  async login(
    key: NodeKey,
    account: string,
    fields: LoginFields = { password: PASSWORD },
  ): Promise<IssuedCredential | Refusal> {
    this.nowMs += 1;
    const timestamp = fields.timestamp ?? this.nowMs;
    const proof = key.proof('login', this.exchange.publicKey, account, timestamp);
    return await this.service.login(
      { account, publicKey: key.publicKey, proof, ...fields, timestamp },
      SOURCE,
    );
  }

  renew(key: NodeKey, renewalToken: string): IssuedCredential | Refusal {
    this.nowMs += 1;
    const timestamp = this.nowMs;
    const proof = key.proof('renewal', this.exchange.publicKey, renewalToken, timestamp);
    return this.service.renew({ renewalToken, publicKey: key.publicKey, timestamp, proof }, SOURCE);
  }

  /** Verifies a credential now with the listed authorities. */
  verify({ credential }: IssuedCredential, { publicKey }: NodeKey): NodeCredential | string {
    const authorities = this.authorities.list(this.seconds).map((one) => one.publicKey);
    return verifyCredential(credential, authorities, publicKey, BigInt(this.seconds));
  }

  [Symbol.dispose](): void {
    this.database.close();
    rmSync(this.directory, { recursive: true });
  }

  #newService(): AccountService {
    return new AccountService({ ...this.#parts(), exchange: this.exchange });
  }

  #parts() {
    return {
      ...{
        configuration: this.configuration,
        database: this.database,
        authorities: this.authorities,
      },
      clock: { now: () => monotonic(this.nowMs), wall: () => wall(this.nowMs) },
      events: {
        event: (event: RecordedEvent) => {
          expectSound(event);
          this.events.push(event);
        },
      },
    };
  }

  #administer(): void {
    const administration = new Administration({ ...this.#parts(), service: this.service });
    administration.serve(
      {
        onRequest: (handler) => {
          this.#request = (command, parameters) => {
            const { promise, resolve, reject } = Promise.withResolvers<JsonValue>();
            handler(command, parameters, (ok, value) =>
              ok ? resolve(value) : reject(new Error(JSON.stringify(value))),
            );
            return promise;
          };
        },
        close: () => {},
      },
      {},
    );
  }
}

/** The issued credential. Throws if the result is a refusal. */
export function granted(result: IssuedCredential | Refusal): IssuedCredential {
  if (isRefusal(result)) throw new Error(`refused: ${result.refused}`);
  return result;
}

export function refused(result: IssuedCredential | Refusal): string {
  return isRefusal(result) ? result.refused : 'granted';
}

export function source(text: string) {
  return parseIpAddress(text) ?? SOURCE;
}
