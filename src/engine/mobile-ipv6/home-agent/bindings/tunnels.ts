/**
 * Tunnels by outer endpoint: bindings with the same endpoint share one, because the data plane
 * identifies a tunnel by its outer addresses and ports.
 *
 * RFC 6275 §10.4.2  tunnels to care-of addresses;  RFC 5555 §4.5.1 over IPv4, with or without UDP
 */
import { assert } from '#base/assert.ts';
import { type IpAddress, type Ipv6Address, isIpv6 } from '#base/ip.ts';
import type { DesiredTunnel } from '#engine/contract/desired-state.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { EspTunnelOwner } from '#engine/contract/esp.ts';
import type { Carrier, Protection } from '#engine/contract/outer-path.ts';
import { espMtu } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import { sealedOverhead } from '#engine/mobile-ipv6/common/sealed-overhead.ts';

/**
 * Both ends of a tunnel; ports are 0 unless `udp`. A sealed tunnel and one in ESP belong to one
 * home address, because their keys do.
 */
export interface TunnelEndpoint {
  readonly carrier: Carrier;
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly localPort: number;
  readonly remotePort: number;
  readonly sealedFor?: Ipv6Address;
  readonly esp?: EspTunnelOwner;
}

export function protectionOf({ sealedFor, esp }: TunnelEndpoint): Protection {
  if (esp !== undefined) return 'esp';
  return sealedFor === undefined ? 'none' : 'sealed';
}

/** One tunnel and how many bindings use it. Only `TunnelTable` writes. */
export interface Tunnel {
  readonly id: number;
  endpoint: TunnelEndpoint;
  users: number;
}

export const HIGHEST_TUNNEL_ID = 0x7fffffff;

export function sameEndpoint(a: TunnelEndpoint, b: TunnelEndpoint): boolean {
  return (
    a.remote === b.remote &&
    a.remotePort === b.remotePort &&
    a.carrier === b.carrier &&
    a.local === b.local &&
    a.sealedFor === b.sealedFor &&
    a.esp?.homeAddress === b.esp?.homeAddress &&
    a.esp?.algorithm === b.esp?.algorithm &&
    a.localPort === b.localPort
  );
}

function keyOf(endpoint: TunnelEndpoint): string | undefined {
  const { carrier, local, localPort, remote, remotePort, sealedFor, esp } = endpoint;
  if (sealedFor !== undefined) return undefined;
  const path = `${carrier} ${local} ${localPort} ${remote} ${remotePort}`;
  return esp === undefined ? path : `${path} ${esp.homeAddress} ${esp.algorithm}`;
}

export class TunnelTable {
  /** Without the sealed ones, which no two bindings share. */
  readonly #byEndpoint = new Map<string, Tunnel>();
  readonly #byId = new Map<number, Tunnel>();
  readonly #mtu: { readonly ipip: number; readonly udp: number };
  #lastId = 0;

  constructor(mtu: { readonly ipip: number; readonly udp: number }) {
    this.#mtu = mtu;
  }

  get size(): number {
    return this.#byId.size;
  }

  values(): IterableIterator<Tunnel> {
    return this.#byId.values();
  }

  /** Adds a user of the tunnel to `endpoint`. A new tunnel gets `preferredId` if that is free. */
  acquire(step: Step, endpoint: TunnelEndpoint, preferredId?: number): Tunnel {
    const key = keyOf(endpoint);
    const existing = key === undefined ? undefined : this.#byEndpoint.get(key);
    if (existing !== undefined) {
      existing.users++;
      return existing;
    }
    const id =
      preferredId === undefined || this.#byId.has(preferredId) ? this.#freeId() : preferredId;
    const tunnel: Tunnel = { id, endpoint, users: 1 };
    this.#byId.set(id, tunnel);
    if (key !== undefined) this.#byEndpoint.set(key, tunnel);
    this.#setDesired(step, tunnel);
    return tunnel;
  }

  /**
   * Moves one user to another endpoint. The tunnel itself moves and keeps its id, unless other
   * bindings use it or another tunnel has the endpoint.
   */
  move(step: Step, tunnel: Tunnel, endpoint: TunnelEndpoint): Tunnel {
    if (sameEndpoint(tunnel.endpoint, endpoint)) return tunnel;
    const key = keyOf(endpoint);
    if (tunnel.users > 1 || (key !== undefined && this.#byEndpoint.has(key)))
      return this.acquire(step, endpoint);
    this.#forgetEndpoint(tunnel);
    tunnel.endpoint = endpoint;
    if (key !== undefined) this.#byEndpoint.set(key, tunnel);
    this.#setDesired(step, tunnel);
    return tunnel;
  }

  /** Removes a user; the tunnel is removed with its last user. */
  release(step: Step, tunnel: Tunnel): void {
    assert(tunnel.users > 0, 'tunnel is in use');
    tunnel.users--;
    if (tunnel.users > 0) return;
    this.#forgetEndpoint(tunnel);
    this.#byId.delete(tunnel.id);
    step.out.push({ kind: 'set-desired', key: `tunnel/${tunnel.id}`, part: undefined });
  }

  #forgetEndpoint({ endpoint }: Tunnel): void {
    const key = keyOf(endpoint);
    if (key !== undefined) this.#byEndpoint.delete(key);
  }

  #setDesired({ out }: Step, tunnel: Tunnel): void {
    const { id, endpoint } = tunnel;
    const { esp } = endpoint;
    const protection = protectionOf(endpoint);
    // Without UDP eight octets more would fit over IPv4; one size for IPv4 keeps the MTU the same
    // when a NAT appears.
    const six = isIpv6(endpoint.local);
    const plain = six ? this.#mtu.ipip : this.#mtu.udp;
    const sealed = protection === 'sealed' ? plain - sealedOverhead(six ? 6 : 4) : plain;
    const mtu = esp === undefined ? sealed : espMtu(esp.algorithm, plain);
    // Shared and not copied: there may be very many.
    const tunnelOf = { id, path: endpoint, protection, mtu };
    const desired: DesiredTunnel = esp === undefined ? tunnelOf : { ...tunnelOf, esp };
    out.push({ kind: 'set-desired', key: `tunnel/${id}`, part: { tunnels: [desired] } });
  }

  #freeId(): number {
    do this.#lastId = (this.#lastId % HIGHEST_TUNNEL_ID) + 1;
    while (this.#byId.has(this.#lastId));
    return this.#lastId;
  }
}
