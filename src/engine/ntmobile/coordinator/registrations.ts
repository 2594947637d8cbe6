/**
 * Who is registered with a direction coordinator, by every name that a direction may ask for.
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
import type { Session } from '#engine/ntmobile/common/session.ts';
import type { NtmobileOptionOf } from '#wire/ntmobile/options.ts';

// One for all: an empty map costs two hundred octets.
const NOT_MEASURED: ReadonlyMap<string, number> = new Map();

export class NodeRegistration implements Timed {
  readonly holder: CredentialHolder;
  readonly publicKey: Uint8Array;
  credential: Uint8Array;
  /** Undefined after a restart, before the node or we made a new one. */
  session: Session | undefined;
  udpPath: UdpPath;
  candidates: readonly NtmobileOptionOf<'candidate'>[] = [];
  /** Microseconds to relays, by node id in hexadecimal digits. */
  roundTrips: ReadonlyMap<string, number> = NOT_MEASURED;
  mapping = 0;
  /** Stays known by name for a while after its end, so that it is unreachable and not unknown. */
  active = true;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(
    holder: CredentialHolder,
    publicKey: Uint8Array,
    credential: Uint8Array,
    udpPath: UdpPath,
  ) {
    this.holder = holder;
    this.publicKey = publicKey;
    this.credential = credential;
    this.udpPath = udpPath;
  }
}

export class Registrations {
  readonly #byNodeId = new Map<string, NodeRegistration>();
  readonly #byName = new Map<string, NodeRegistration>();
  readonly #byAddress = new Map<Ipv4Address | Ipv6Address, NodeRegistration>();
  readonly #timers = new TimerHeap<NodeRegistration>();

  get size(): number {
    return this.#byNodeId.size;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  ofNode(nodeId: Uint8Array): NodeRegistration | undefined {
    return this.#byNodeId.get(hex(nodeId));
  }

  named(name: string): NodeRegistration | undefined {
    return this.#byName.get(name);
  }

  at(address: Ipv4Address | Ipv6Address): NodeRegistration | undefined {
    return this.#byAddress.get(address);
  }

  /** By name, node id in hexadecimal digits, or virtual address. */
  find(wanted: string): NodeRegistration | undefined {
    const address = parseIpAddress(wanted);
    const named = this.#byName.get(wanted) ?? this.#byNodeId.get(wanted);
    return named ?? (address === undefined ? undefined : this.#byAddress.get(address));
  }

  all(): Iterable<NodeRegistration> {
    return this.#byNodeId.values();
  }

  /**
   * Puts it in, in place of the node's former one; a name or address that another node had goes
   * over to this one.
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

  /** Sets when {@link takeDue} gives it next. */
  arm(registration: NodeRegistration, at: Monotonic): void {
    this.#timers.set(registration, at);
  }

  takeDue(now: Monotonic): NodeRegistration | undefined {
    return this.#timers.takeDue(now);
  }

  remove(registration: NodeRegistration): void {
    const { nodeId, name, virtualIpv6, virtualIpv4 } = registration.holder;
    this.#timers.remove(registration);
    if (this.#byNodeId.get(hex(nodeId)) === registration) this.#byNodeId.delete(hex(nodeId));
    if (this.#byName.get(name) === registration) this.#byName.delete(name);
    for (const address of [virtualIpv6, virtualIpv4]) {
      if (this.#byAddress.get(address) === registration) this.#byAddress.delete(address);
    }
  }
}
