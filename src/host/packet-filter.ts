/**
 * Keeps the kernel from answering what the raw path takes over.
 *
 * A kernel without CONFIG_IPV6_MIP6 answers a Home Address option and a type 2 routing header with ICMPv6 Parameter Problem, and
 * protocols 135, 41 and 4 with Parameter Problem or Protocol Unreachable; one with it handles the headers itself. The tap has its copy
 * before netfilter, so exactly these packets are dropped at this host's input, in a table of our own.
 *
 * The table belongs (`flags owner`, Linux 5.12) to an `nft -i` child that lives on our pipe: when we die, by whatever signal, the
 * pipe closes, nft ends and the kernel removes the table. Where the kernel has no owner flag, the table is made afresh at start and
 * removed at exit, and after a crash by `removePacketFilter` (`sojourn cleanup`).
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import type { PlanePort } from '#runtime/ports.ts';
import { SystemError } from './system-error.ts';

type Nft = ChildProcessByStdio<Writable, Readable, Readable>;

/** A Home Address option is aligned to 8n+6 (RFC 6275 §6.3); this many places are looked at. */
const HOME_ADDRESS_PLACES = 4;
const FIXED_HEADER_OCTETS = 40;
const OPEN_DEADLINE_MS = 5_000;

export interface PacketFilterOptions {
  /** Name of the tables, in family ip6 and ip: `sojourn-ha`. */
  readonly table: string;
  /** Outer addresses at which tunnels are taken over from the start (a home agent's own). */
  readonly addresses: readonly IpAddress[];
  /** Told when the child ended although nobody asked it to; the table is gone then. */
  readonly onLost: (error: SystemError) => void;
}

export interface PacketFilter {
  /** Protocols 41 and 4 to `address` are ours from now on; counted, so that two tunnels may share it. */
  take(address: IpAddress): void;
  release(address: IpAddress): void;
  /** Removes the tables; resolves when they are gone. */
  close(): Promise<void>;
}

/** Resolves when the tables are in force. Rejects with `SystemError` when nft is missing or refuses. */
export async function openPacketFilter(options: PacketFilterOptions): Promise<PacketFilter> {
  try {
    return await openWith(options, 'flags owner;');
  } catch (thrown) {
    if (!(thrown instanceof SystemError) || thrown.code !== 'ENFTRULES') throw thrown;
    return openWith(options, '');
  }
}

/** Removes the tables that a killed run left; harmless where there are none, or no nft. Throws `SystemError`. */
export function removePacketFilter(table: string): void {
  const { error, status, stderr } = spawnSync('nft', ['-f', '-'], {
    input: (['ip6', 'ip'] as const).flatMap((family) => absent(family, table)).join('\n'),
    encoding: 'utf8',
    timeout: OPEN_DEADLINE_MS,
  });
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return;
  if (error !== undefined) throw new SystemError('ENFT', `cannot run nft: ${error.message}`, error);
  if (status === 0) return;
  const code = stderr.includes('Operation not permitted') ? 'EPERM' : 'ENFTRULES';
  throw new SystemError(code, `nft cannot remove the tables ${table}: ${stderr.trim()}`);
}

/** Deleting needs something to delete; one without the other is no error for a transaction of both. */
function absent(family: 'ip6' | 'ip', table: string): readonly string[] {
  return [`add table ${family} ${table}`, `delete table ${family} ${table}`];
}

/** The plane, with the filter following the tunnels: a tunnel without UDP takes its local address. */
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
  return {
    features: plane.features,
    deviceIndex: plane.deviceIndex,
    tunnelSet(tunnel) {
      follow(tunnel.id, tunnel.encapsulation === 'ipip' ? tunnel.local : undefined);
      plane.tunnelSet(tunnel);
    },
    tunnelDelete(id) {
      plane.tunnelDelete(id);
      follow(id, undefined);
    },
    routeSet: (route) => plane.routeSet(route),
    routeDelete: (route) => plane.routeDelete(route),
    associationsSet: (associations) => plane.associationsSet(associations),
    associationsDelete: (tunnel) => plane.associationsDelete(tunnel),
    relayLegSet: (leg) => plane.relayLegSet(leg),
    relayLegDelete: (index) => plane.relayLegDelete(index),
    translationSet: (translation) => plane.translationSet(translation),
    translationDelete: (translation) => plane.translationDelete(translation),
    overlaySet: (overlay) => plane.overlaySet(overlay),
    overlayDelete: (overlay) => plane.overlayDelete(overlay),
    setLocalAddresses: (addresses) => plane.setLocalAddresses(addresses),
    inject: (path, packet) => plane.inject(path, packet),
    counters: () => plane.counters(),
    tunnelCounters: (id) => plane.tunnelCounters(id),
    onPunt: (handler) => plane.onPunt(handler),
    onRoaming: (handler) => plane.onRoaming(handler),
    close: () => plane.close(),
  };
}

async function openWith(options: PacketFilterOptions, flags: string): Promise<PacketFilter> {
  // Detached: a Ctrl-C in the terminal must not end it before us.
  const child = spawn('nft', ['-i'], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  // A write to a child that has just died is told by its end, not by the pipe.
  child.stdin.on('error', () => {});
  try {
    await load(child, script(options, flags), options.table);
  } catch (thrown) {
    child.stdin.end();
    child.kill();
    await ended;
    throw thrown;
  }
  return new NftFilter(child, ended, options);
}

/** Writes the rules and waits until nft lists the last table of them. */
function load(child: Nft, rules: string, table: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (code: string, message: string): void => {
      clearTimeout(timer);
      reject(new SystemError(code, message));
    };
    const timer = setTimeout(() => refuse('ETIMEDOUT', 'nft does not answer'), OPEN_DEADLINE_MS);
    let said = '';
    child.once('error', (cause) => {
      const missing = 'code' in cause && cause.code === 'ENOENT';
      const remedy = 'the raw path needs nft: apt-get install nftables';
      refuse(missing ? 'ENFTMISSING' : 'ENFT', missing ? remedy : `cannot run nft: ${cause.message}`);
    });
    child.once('exit', () => refuse('ENFT', `nft ended at once: ${said}`));
    child.stderr.on('data', (chunk) => refuse('ENFTRULES', `nft refuses our table: ${String(chunk).trim()}`));
    child.stdout.on('data', (chunk) => {
      said += String(chunk);
      if (!said.includes(`table ip ${table}`)) return;
      clearTimeout(timer);
      child.stdout.removeAllListeners('data').resume();
      child.stderr.removeAllListeners('data').resume();
      resolve();
    });
    child.stdin.write(rules);
  });
}

class NftFilter implements PacketFilter {
  readonly #child: Nft;
  readonly #ended: Promise<void>;
  readonly #table: string;
  readonly #taken = new Map<IpAddress, number>();
  #closing = false;

  constructor(child: Nft, ended: Promise<void>, options: PacketFilterOptions) {
    this.#child = child;
    this.#ended = ended;
    this.#table = options.table;
    for (const address of options.addresses) this.#taken.set(address, 1);
    child.removeAllListeners('exit');
    child.once('exit', () => {
      if (!this.#closing) options.onLost(new SystemError('ENFT', 'nft ended, our packet filter is gone'));
    });
    child.unref();
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

  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#child.ref();
      this.#child.stdin.end(`delete table ip6 ${this.#table}\ndelete table ip ${this.#table}\n`);
    }
    await this.#ended;
  }

  #element(verb: 'add' | 'delete', address: IpAddress): void {
    const family = isIpv6(address) ? 'ip6' : 'ip';
    this.#child.stdin.write(`${verb} element ${family} ${this.#table} outer { ${address} }\n`);
  }
}

/** nft's own language; what an earlier run left is deleted first. */
function script({ table, addresses }: PacketFilterOptions, flags: string): string {
  const lines = (['ip6', 'ip'] as const).flatMap((family) => {
    const type = family === 'ip6' ? 'ipv6_addr' : 'ipv4_addr';
    const own = addresses.filter((address) => isIpv6(address) === (family === 'ip6'));
    const rules = family === 'ip6' ? headerRules() : [];
    return [
      ...absent(family, table),
      `add table ${family} ${table} { ${flags} }`,
      `add set ${family} ${table} outer { type ${type}; }`,
      `add chain ${family} ${table} input { type filter hook input priority raw; policy accept; }`,
      ...[...rules, `${family} daddr @outer meta l4proto { 4, 41 }`].map(
        (match) => `add rule ${family} ${table} input ${match} counter drop`,
      ),
      ...own.map((address) => `add element ${family} ${table} outer { ${address} }`),
    ];
  });
  return `${[...lines, 'list tables ip'].join('\n')}\n`;
}

function headerRules(): string[] {
  const rules = ['rt type 2', 'meta l4proto 135'];
  for (let place = 0; place < HOME_ADDRESS_PLACES; place++) {
    const bit = (FIXED_HEADER_OCTETS + 6 + 8 * place) * 8;
    rules.push(`ip6 nexthdr 60 dst hdrlength >= ${2 + place} @nh,${bit},8 0xc9`);
  }
  return rules;
}
