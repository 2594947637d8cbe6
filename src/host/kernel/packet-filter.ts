/**
 * Drops packets that the plane's AF_PACKET tap handles, so that the kernel does not answer them.
 *
 * A kernel without CONFIG_IPV6_MIP6 answers a Home Address option and a type 2 routing header with
 * ICMPv6 Parameter Problem, and protocols 135, 50, 41 and 4 with Parameter Problem or Protocol
 * Unreachable; a kernel with it processes the headers. The tap gets its copy before netfilter, so
 * an nftables table (nft-child.ts) drops exactly these packets at this host's input. The data plane
 * delivers its copy, hands it to the engine, or counts a drop. It wrote what comes from its own TUN
 * device, which no rule touches.
 */
import { extend } from '#base/extend.ts';
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import type { DesiredTunnel } from '#engine/contract/desired-state.ts';
import type { DesiredEspKeys } from '#engine/contract/esp.ts';
import type { SystemError } from '#host/process/system-error.ts';
import type { PlanePort } from '#runtime/ports.ts';
import { type NftChild, type OwnTable, openNft, removeTables } from './nft-child.ts';

/** Type and length of a Home Address option, RFC 6275 §6.3. */
const HOME_ADDRESS_OPTION = '0xc910';
/** A Home Address option is aligned to 8n+6 (RFC 6275 §6.3); offsets that the rules check. */
const HOME_ADDRESS_OFFSETS = 4;
const FIXED_HEADER_OCTETS = 40;

interface PacketFilterOptions {
  /** Name of the tables, in family ip6 and ip, and of the plane's TUN device: `sojourn-ha`. */
  readonly table: string;
  /**
   * The addresses that the plane serves, if they are fixed (a home agent's): their tunnels are
   * handled from the start, and Mobile IPv6 headers to other addresses are left to the kernel.
   */
  readonly addresses: readonly IpAddress[];
  /** Called when the nft child ended unexpectedly, and the tables with it. */
  readonly onLost: (error: SystemError) => void;
}

interface PacketFilter {
  /** Drops protocols 41 and 4 to `address`; counted, so that two tunnels may share an address. */
  take(address: IpAddress): void;
  release(address: IpAddress): void;
  /** Drops ESP packets with this SPI, which the engine or the plane receives. */
  takeSpi(spi: number): void;
  releaseSpi(spi: number): void;
  /** Removes the tables; resolves when they are removed. */
  close(): Promise<void>;
}

/** Resolves when the tables are in force. Rejects with `SystemError` if nft fails or is missing. */
export async function openPacketFilter(options: PacketFilterOptions): Promise<PacketFilter> {
  const { table, onLost } = options;
  const child = await openNft({
    purpose: 'the raw path',
    tables: tablesOf(table),
    rules: rulesOf(options),
    onLost,
  });
  return new NftFilter(child, options);
}

/** Removes tables that a killed run left; does nothing without nft. Throws `SystemError`. */
export function removePacketFilter(table: string): void {
  removeTables(tablesOf(table));
}

function tablesOf(name: string): readonly OwnTable[] {
  return [
    { family: 'ip6', name },
    { family: 'ip', name },
  ];
}

/** Makes the plane pass the local address of each tunnel without UDP, and SPIs, to the filter. */
export function guardTunnels(plane: PlanePort, filter: PacketFilter): PlanePort {
  const taken = new Map<number, IpAddress>();
  const follow = (id: number, address: IpAddress | undefined): void => {
    const former = taken.get(id);
    if (former === address) return;
    if (address === undefined) taken.delete(id);
    else {
      taken.set(id, address);
      filter.take(address);
    }
    if (former !== undefined) filter.release(former);
  };
  const set = plane.tunnelSet.bind(plane);
  const remove = plane.tunnelDelete.bind(plane);
  const espKeysSet = plane.espKeysSet.bind(plane);
  const espKeysDelete = plane.espKeysDelete.bind(plane);
  const spis = new Map<number, number>();
  const followSpi = (tunnel: number, spi: number | undefined): void => {
    const former = spis.get(tunnel);
    if (former === spi) return;
    if (spi === undefined) spis.delete(tunnel);
    else {
      spis.set(tunnel, spi);
      filter.takeSpi(spi);
    }
    if (former !== undefined) filter.releaseSpi(former);
  };
  const espSpiSet = plane.espSpiSet.bind(plane);
  const espSpiDelete = plane.espSpiDelete.bind(plane);
  return extend(plane, {
    espKeysSet(keys: DesiredEspKeys) {
      followSpi(keys.tunnel, keys.receive.spi);
      espKeysSet(keys);
    },
    espKeysDelete(tunnel: number) {
      espKeysDelete(tunnel);
      followSpi(tunnel, undefined);
    },
    espSpiSet(spi: number) {
      filter.takeSpi(spi);
      espSpiSet(spi);
    },
    espSpiDelete(spi: number) {
      espSpiDelete(spi);
      filter.releaseSpi(spi);
    },
    tunnelSet(tunnel: DesiredTunnel) {
      follow(tunnel.id, tunnel.path.carrier === 'ip' ? tunnel.path.local : undefined);
      set(tunnel);
    },
    tunnelDelete(id: number) {
      remove(id);
      follow(id, undefined);
    },
  });
}

class NftFilter implements PacketFilter {
  readonly #child: NftChild;
  readonly #table: string;
  readonly #taken = new Map<IpAddress, number>();

  constructor(child: NftChild, options: PacketFilterOptions) {
    this.#child = child;
    this.#table = options.table;
    for (const address of options.addresses) this.#taken.set(address, 1);
  }

  take(address: IpAddress): void {
    const count = this.#taken.get(address) ?? 0;
    this.#taken.set(address, count + 1);
    if (count === 0) this.#element('add', address);
  }

  release(address: IpAddress): void {
    const count = this.#taken.get(address) ?? 0;
    if (count > 1) this.#taken.set(address, count - 1);
    else if (this.#taken.delete(address)) this.#element('delete', address);
  }

  takeSpi(spi: number): void {
    this.#child.command(`add element ip6 ${this.#table} spis { ${spi} }`);
  }

  releaseSpi(spi: number): void {
    this.#child.command(`delete element ip6 ${this.#table} spis { ${spi} }`);
  }

  close(): Promise<void> {
    return this.#child.close();
  }

  #element(verb: 'add' | 'delete', address: IpAddress): void {
    const family = isIpv6(address) ? 'ip6' : 'ip';
    this.#child.command(`${verb} element ${family} ${this.#table} outer { ${address} }`);
  }
}

/** In nft's language. */
function rulesOf({ table, addresses }: PacketFilterOptions): readonly string[] {
  return (['ip6', 'ip'] as const).flatMap((family) => {
    const type = family === 'ip6' ? 'ipv6_addr' : 'ipv4_addr';
    const own = addresses.filter((address) => isIpv6(address) === (family === 'ip6'));
    const rules = family === 'ip6' ? headerRules(own) : [];
    return [
      `add set ${family} ${table} outer { type ${type}; }`,
      ...(family === 'ip6' ? [`add set ip6 ${table} spis { typeof esp spi; }`] : []),
      `add chain ${family} ${table} input { type filter hook input priority raw; policy accept; }`,
      `add rule ${family} ${table} input iifname "${table}" accept`,
      // The tap sees no multicast and no broadcast frames.
      ...[...rules, `${family} daddr @outer meta l4proto { 4, 41 }`].map(
        (match) => `add rule ${family} ${table} input meta pkttype host ${match} counter drop`,
      ),
      ...own.map((address) => `add element ${family} ${table} outer { ${address} }`),
    ];
  });
}

function headerRules(fixed: readonly IpAddress[]): string[] {
  const rules = ['rt type 2', 'meta l4proto 135', 'esp spi @spis'];
  for (let offset = 0; offset < HOME_ADDRESS_OFFSETS; offset++) {
    const bit = (FIXED_HEADER_OCTETS + 6 + 8 * offset) * 8;
    rules.push(
      `ip6 nexthdr 60 dst hdrlength >= ${2 + offset} @nh,${bit},16 ${HOME_ADDRESS_OPTION}`,
    );
  }
  return fixed.length === 0 ? rules : rules.map((rule) => `ip6 daddr @outer ${rule}`);
}
