/**
 * The nodes that are registered with a direction coordinator, by node id, name and virtual address.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Registration Request)
 */
import { hex } from '#base/bytes.ts';
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import { parseIpAddress } from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { CredentialHolder } from '#engine/ntmobile/common/credential-verifier.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { NtmobileOptionOf } from '#wire/ntmobile/options.ts';

// Shared, because an empty map takes 200 octets and a coordinator has very many registrations.
export const NOT_MEASURED: ReadonlyMap<string, number> = new Map();
const NO_CANDIDATES: readonly never[] = [];

export class NodeRegistration implements Timed {
  readonly holder: CredentialHolder;
  readonly publicKey: Uint8Array;
  readonly credential: Uint8Array;
  /** Undefined after a restart, until the node or the coordinator starts a new one. */
  session: Session | undefined;
  readonly udpPath: UdpPath;
  readonly candidates: readonly NtmobileOptionOf<'candidate'>[];
  /** Microseconds to relays, by their node id in hexadecimal digits. */
  readonly roundTrips: ReadonlyMap<string, number>;
  readonly mapping: number;
  /** An expired registration is kept for a while, so that its name is unreachable, not unknown. */
  active = true;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(
    fields: Pick<NodeRegistration, 'holder' | 'publicKey' | 'credential' | 'udpPath'> &
      Partial<Pick<NodeRegistration, 'session' | 'candidates' | 'roundTrips' | 'mapping'>>,
  ) {
    this.holder = fields.holder;
    this.publicKey = fields.publicKey;
    this.credential = fields.credential;
    this.udpPath = fields.udpPath;
    this.session = fields.session;
    this.candidates = fields.candidates ?? NO_CANDIDATES;
    this.roundTrips = fields.roundTrips ?? NOT_MEASURED;
    this.mapping = fields.mapping ?? 0;
  }
}

export class Registrations {
  readonly #byNodeId = new Map<string, NodeRegistration>();
  readonly #byName = new Map<string, NodeRegistration>();
  readonly #byAddress = new Map<Ipv4Address | Ipv6Address, NodeRegistration>();
  readonly #timers = new TimerHeap<NodeRegistration>();
  /** In the order of their expiry. */
  readonly #expired = new Set<NodeRegistration>();

  get size(): number {
    return this.#byNodeId.size;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  findByNodeId(nodeId: Uint8Array): NodeRegistration | undefined {
    return this.#byNodeId.get(hex(nodeId));
  }

  findByName(name: string): NodeRegistration | undefined {
    return this.#byName.get(name);
  }

  findByAddress(address: Ipv4Address | Ipv6Address): NodeRegistration | undefined {
    return this.#byAddress.get(address);
  }

  /** `query` is a name, a node id in hexadecimal digits, or a virtual address. */
  find(query: string): NodeRegistration | undefined {
    const address = parseIpAddress(query);
    const known = this.#byName.get(query) ?? this.#byNodeId.get(query);
    return known ?? (address === undefined ? undefined : this.#byAddress.get(address));
  }

  all(): Iterable<NodeRegistration> {
    return this.#byNodeId.values();
  }

  /**
   * Replaces the node's former registration. A name or address that another node had now belongs to
   * this one.
   */
  set(registration: NodeRegistration, until: Monotonic): void {
    const { nodeId, name, virtualIpv6, virtualIpv4 } = registration.holder;
    const former = this.#byNodeId.get(hex(nodeId));
    if (former !== undefined && former !== registration) this.remove(former);
    this.#byNodeId.set(hex(nodeId), registration);
    this.#byName.set(name, registration);
    this.#byAddress.set(virtualIpv6, registration);
    this.#byAddress.set(virtualIpv4, registration);
    registration.active = true;
    this.#timers.set(registration, until);
  }

  setExpired(registration: NodeRegistration): void {
    registration.active = false;
    this.#expired.add(registration);
  }

  longestExpired(): NodeRegistration | undefined {
    const [longest] = this.#expired;
    return longest;
  }

  /** Sets when {@link takeDue} returns the registration next. */
  arm(registration: NodeRegistration, at: Monotonic): void {
    this.#timers.set(registration, at);
  }

  takeDue(now: Monotonic): NodeRegistration | undefined {
    return this.#timers.takeDue(now);
  }

  remove(registration: NodeRegistration): void {
    const { nodeId, name, virtualIpv6, virtualIpv4 } = registration.holder;
    this.#timers.remove(registration);
    this.#expired.delete(registration);
    if (this.#byNodeId.get(hex(nodeId)) === registration) this.#byNodeId.delete(hex(nodeId));
    if (this.#byName.get(name) === registration) this.#byName.delete(name);
    for (const address of [virtualIpv6, virtualIpv4]) {
      if (this.#byAddress.get(address) === registration) this.#byAddress.delete(address);
    }
  }
}
