/** A relay of the simulated internet: the real engine, and a plane that forwards by index as the engine wishes. docs/ntmobile.md §6, §7. */
import type { Monotonic } from '#base/time.ts';
import { judgeCredential } from '#crypto/node-credential.ts';
import type { CommonInput, DesiredRelayLeg, Output } from '#engine/contract.ts';
import { createRelay } from '#engine/relay/relay.ts';
import { randomOf } from '#test/unit/ntmobile-sessions-scene.ts';
import {
  AUTHORITY,
  COORDINATOR_KEY,
  COORDINATOR_PLACES,
  OFFSET_MS,
  PORT,
  pathOf,
  RELAY_KEY,
  RELAY_PLACES,
  sendAll,
  spotsOf,
} from './hosts.ts';
import type { Host, Internet, Wire } from './internet.ts';

/** To a place where nobody showed yet that it is: so many times the octets that came from there. */
const AMPLIFICATION = 3;

interface Leg {
  readonly wish: DesiredRelayLeg;
  received: number;
  sent: number;
}

export class RelayHost implements Host {
  readonly name = 'relay';
  readonly #internet: Internet;
  readonly #legs = new Map<string, Leg>();
  readonly #engine = createRelay(
    {
      ...{ own: RELAY_KEY, port: PORT, endpoints: RELAY_PLACES.map((address) => ({ address, port: PORT })) },
      isCredentialValid: (credential, publicKey, now) =>
        typeof judgeCredential(credential, [AUTHORITY.publicKey], publicKey, BigInt(Math.floor(now / 1000))) !==
        'string',
      coordinators: [
        {
          ...{ name: 'dc', publicKey: COORDINATOR_KEY.publicKey },
          endpoints: COORDINATOR_PLACES.map((address) => ({ address, port: PORT })),
        },
      ],
      ...{ lifetimeSeconds: 600, maximumLegs: 1000, maximumLegsOfNode: 100, strangersPerSecond: 1000 },
    },
    randomOf(8),
  );

  constructor(internet: Internet) {
    this.#internet = internet;
    internet.place(this, spotsOf(RELAY_PLACES));
    this.#step(internet.now, { kind: 'clock', offsetMs: OFFSET_MS });
    this.#step(internet.now, { kind: 'restored' });
  }

  deadline(): Monotonic {
    return this.#engine.deadline();
  }

  tick(now: Monotonic): void {
    this.#step(now, { kind: 'tick' });
  }

  receive(now: Monotonic, wire: Wire): void {
    if (wire.relayIndex === 0) this.#step(now, { kind: 'datagram', path: pathOf(wire), packet: wire.octets });
    else this.#forward(wire);
  }

  #forward({ from, relayIndex, octets }: Wire): void {
    const leg = this.#leg(relayIndex);
    const other = leg === undefined ? undefined : this.#leg(leg.wish.other);
    if (leg === undefined || leg.wish.remote !== from.address || leg.wish.remotePort !== from.port) return;
    leg.received += octets.length;
    if (other === undefined) return;
    if (!other.wish.validated && other.sent + octets.length > AMPLIFICATION * other.received) return;
    other.sent += octets.length;
    const { local, remote, remotePort, index } = other.wish;
    const ends = { from: { address: local, port: PORT }, to: { address: remote, port: remotePort } };
    this.#internet.send(this, { ...ends, relayIndex: index, octets });
  }

  #leg(index: number): Leg | undefined {
    for (const leg of this.#legs.values()) if (leg.wish.index === index) return leg;
    return undefined;
  }

  #step(now: Monotonic, input: CommonInput): void {
    const out: Output[] = [];
    this.#engine.step(now, input, out);
    for (const output of out) {
      if (output.kind !== 'want') continue;
      const [wish] = output.part?.relayLegs ?? [];
      const former = this.#legs.get(output.key);
      const same = former?.wish.remote === wish?.remote && former?.wish.remotePort === wish?.remotePort;
      if (wish === undefined) this.#legs.delete(output.key);
      else if (former !== undefined && same) this.#legs.set(output.key, { ...former, wish });
      else this.#legs.set(output.key, { wish, received: 0, sent: 0 });
    }
    sendAll(this.#internet, this, out);
  }
}
