/** A relay of the simulated internet: it admits legs by token and forwards by index. docs/ntmobile.md §6, §7. */
import { hex } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { openRelayToken } from '#crypto/relay-token.ts';
import type { Session } from '#engine/shared/ntmobile/session.ts';
import type { SessionListener } from '#engine/shared/ntmobile/session-listener.ts';
import { Sessions } from '#engine/shared/ntmobile/sessions.ts';
import type { Way } from '#engine/shared/ntmobile/way.ts';
import { randomOf } from '#test/unit/ntmobile-sessions-scene.ts';
import { HandshakeUse, suiteBit } from '#wire/ntmobile-datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile-message.ts';
import { type Endpoint, findNtmobileOption } from '#wire/ntmobile-options.ts';
import {
  COORDINATOR_KEY,
  COORDINATOR_PLACES,
  OFFSET_MS,
  PORT,
  pathOf,
  RELAY_KEY,
  RELAY_PLACES,
  spotsOf,
} from './hosts.ts';
import type { Host, Internet, Wire } from './internet.ts';

interface Leg {
  readonly path: string;
  readonly role: number;
  readonly index: number;
  readonly session: Session;
  endpoint: Endpoint;
  local: IpAddress;
}

/** A relay as short as it can be: it is trusted to keep to its tokens, and believes in a move at once. */
export class RelayHost implements Host, SessionListener<string> {
  readonly name = 'relay';
  readonly #internet: Internet;
  readonly #sessions: Sessions<string>;
  readonly #legs = new Map<number, Leg>();
  #tokenKey: Uint8Array | undefined;
  #nextIndex = 1000;

  constructor(internet: Internet) {
    this.#internet = internet;
    const options = { own: RELAY_KEY, random: randomOf(8), suites: suiteBit(1), credential: () => undefined };
    this.#sessions = new Sessions<string>(options, this);
    this.#sessions.clock(OFFSET_MS);
    internet.place(this, spotsOf(RELAY_PLACES));
    const [local] = RELAY_PLACES;
    const [remote] = COORDINATOR_PLACES;
    if (local === undefined || remote === undefined) throw new Error('places');
    const way = { local, localPort: PORT, remote, remotePort: PORT, relayIndex: 0 };
    const to = { publicKey: COORDINATOR_KEY.publicKey, use: HandshakeUse.coordinator, pathId: new Uint8Array(8), way };
    this.#sessions.connect(internet.now, to);
  }

  deadline(): Monotonic {
    return this.#sessions.deadline();
  }
  tick(now: Monotonic): void {
    this.#sessions.tick(now);
  }

  receive(now: Monotonic, wire: Wire): void {
    if (wire.relayIndex === 0) {
      this.#sessions.receive(now, pathOf(wire), wire.octets);
      return;
    }
    const leg = this.#legs.get(wire.relayIndex);
    const other = [...this.#legs.values()].find(({ path, role }) => path === leg?.path && role !== leg.role);
    if (leg === undefined || other === undefined) return;
    if (leg.endpoint.address !== wire.from.address || leg.endpoint.port !== wire.from.port) return;
    const from = { address: other.local, port: PORT };
    this.#internet.send(this, { from, to: other.endpoint, relayIndex: other.index, octets: wire.octets });
  }

  arrived(_now: Monotonic, session: Session, way: Way): void {
    for (const leg of this.#legs.values()) {
      if (leg.session !== session) continue;
      leg.endpoint = { address: way.remote, port: way.remotePort };
      leg.local = way.local;
    }
  }

  send(way: Way, octets: Uint8Array): void {
    const from = { address: way.local, port: way.localPort };
    this.#internet.send(this, {
      from,
      to: { address: way.remote, port: way.remotePort },
      relayIndex: way.relayIndex,
      octets,
    });
  }
  judge(): readonly [] {
    return [];
  }
  established(now: Monotonic, session: Session): void {
    if (session.use !== HandshakeUse.coordinator) return;
    const candidates = RELAY_PLACES.map((address) => ({ address, port: PORT }));
    const options = candidates.map((endpoint) => ({ type: 'candidate', kind: 1, priority: 0, endpoint }) as const);
    const asked = {
      type: 'registration-request',
      options: [{ type: 'lifetime', seconds: 600 } as const, ...options],
    } as const;
    this.#sessions.request(now, session, asked, 'registration');
  }
  request(now: Monotonic, session: Session, message: NtmobileMessage, way: Way): NtmobileMessage | undefined {
    const token = findNtmobileOption(message.options, 'relay-token')?.token;
    if (message.type !== 'relay-attach-request' || token === undefined || this.#tokenKey === undefined)
      return undefined;
    const answer = (status: number, options: NtmobileMessage['options']): NtmobileMessage => ({
      ...{ type: 'relay-attach-response', answer: true, status, transaction: message.transaction, options },
    });
    const opened = openRelayToken(this.#tokenKey, token, BigInt(Math.floor((now + OFFSET_MS) / 1000)));
    if (opened === undefined || hex(opened.nodeId) !== hex(nodeIdOf(session.peer.publicKey)))
      return answer(NtmobileStatus.wrongToken, []);
    const path = hex(opened.pathId);
    const former = [...this.#legs.values()].find((leg) => leg.path === path && leg.role === opened.role);
    this.#nextIndex += 1;
    const index = former?.index ?? this.#nextIndex;
    const endpoint = { address: way.remote, port: way.remotePort };
    this.#legs.set(index, { path, role: opened.role, index, session, endpoint, local: way.local });
    return answer(NtmobileStatus.granted, [
      { type: 'path-id', pathId: opened.pathId },
      { type: 'relay-index', index },
      { type: 'observed-endpoint', endpoint },
    ]);
  }
  answered(_now: Monotonic, _session: Session, _purpose: string, answer: NtmobileMessage | undefined): void {
    if (answer !== undefined) this.#tokenKey = findNtmobileOption(answer.options, 'token-key')?.key;
  }
  ended(): void {}
}
