/**
 * The direction coordinator of the simulated internet: the real engine. No RFC: a simulation.
 */
import type { JsonValue } from '#base/json.ts';
import { type Monotonic, NEVER, wall } from '#base/time.ts';
import { verifyCredential } from '#crypto/node-credential.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import { createDirectionCoordinator } from '#engine/ntmobile/coordinator/direction-coordinator.ts';
import { SpiFilter } from '#test/sim/sealed/spi-filter.ts';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';
import type { Host, Internet, WireDatagram } from './internet.ts';
import {
  AUTHORITY,
  accessPointsAt,
  COORDINATOR_ENDPOINTS,
  COORDINATOR_KEY,
  OFFSET_MS,
  pathOf,
  prefixOf,
  RELAY_KEY,
  ROGUE_AUTHORITY,
  SECOND_PORT,
  SYSTEM_PREFIX,
  sendAll,
  ZONE,
} from './system.ts';

/** `down`: it drops everything and sends nothing. */
export class CoordinatorHost implements Host {
  readonly name = 'dc';
  down = false;
  readonly #internet: Internet;
  readonly #spis = new SpiFilter();
  #engine = this.#createEngine();
  readonly #stored = new Map<string, { table: string; key: string; value: JsonValue }>();

  constructor(internet: Internet) {
    this.#internet = internet;
    internet.attach(this, accessPointsAt(COORDINATOR_ENDPOINTS));
    this.#step(internet.now, { kind: 'clock', offsetMs: OFFSET_MS });
  }

  #createEngine() {
    return createDirectionCoordinator(
      {
        ...{
          own: COORDINATOR_KEY,
          zone: ZONE,
          secret: new Uint8Array(32).fill(9),
          relayKeys: [RELAY_KEY.publicKey],
        },
        verifyCredential: (credential, publicKey, now) => {
          const judged = verifyCredential(
            credential,
            [AUTHORITY.publicKey, ROGUE_AUTHORITY.publicKey],
            publicKey,
            BigInt(Math.floor(now / 1000)),
          );
          return typeof judged === 'string'
            ? undefined
            : { ...judged, notAfter: wall(Number(judged.notAfter) * 1000) };
        },
        ...{ systemPrefix: SYSTEM_PREFIX, generalIpv4Prefix: prefixOf('198.19.0.0/16') },
        secondEndpoints: COORDINATOR_ENDPOINTS.map((address) => ({ address, port: SECOND_PORT })),
        ...{
          maximumLifetimeSeconds: 600,
          maximumRegistrations: 1000,
          relayRateKilobits: 10_000,
          maximumGeneralNodes: 1000,
          maximumGeneralNodesOfNode: 1000,
          handshakesPerSecond: 1000,
        },
      },
      randomOf(5),
    );
  }

  /** Starts a new process with the former one's store. */
  restart(now: Monotonic): void {
    this.#engine = this.#createEngine();
    this.#step(now, { kind: 'clock', offsetMs: OFFSET_MS });
    for (const record of this.#stored.values()) this.#step(now, { kind: 'record', ...record });
    this.#step(now, { kind: 'restored' });
    this.down = false;
  }

  deadline(): Monotonic {
    return this.down ? NEVER : this.#engine.deadline();
  }

  tick(now: Monotonic): void {
    this.#step(now, { kind: 'tick' });
  }

  receive(now: Monotonic, datagram: WireDatagram): void {
    if (!this.down && this.#spis.passes(datagram.octets))
      this.#step(now, { kind: 'datagram', path: pathOf(datagram), packet: datagram.octets });
  }

  #step(now: Monotonic, input: CommonInput): void {
    const out: Output[] = [];
    this.#engine.step(now, input, out);
    this.#spis.learn(out);
    sendAll(this.#internet, this, out);
    for (const output of out) {
      if (output.kind !== 'persist') continue;
      const { table, key, value } = output;
      if (value === undefined) this.#stored.delete(`${table} ${key}`);
      else this.#stored.set(`${table} ${key}`, { table, key, value });
    }
  }
}
