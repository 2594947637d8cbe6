import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { LAB_DIRECTORY } from './enter.ts';
import type { LinkIpv4 } from './network.ts';
import { HOST_NAMES } from './networks.ts';
import { Background } from './shell.ts';

/**
 * The daemons of the lab's routers: router advertisements, DHCP and DNS. Each runs in the
 * foreground and logs to a file.
 */

export const LINK_PROGRAM = new URL('../native/build/sojourn-link', import.meta.url).pathname;

/** The command line of the process that delays the link between the core and a visited network. */
export function linkProcess(name: string, index: number, delayMs: number): readonly string[] {
  const ends = ['--a', `d-${name}-a`, '--b', `d-${name}-b`];
  const delayUs = String(Math.round(delayMs * 1000));
  return [LINK_PROGRAM, ...ends, '--delay-us', delayUs, '--seed', String(index)];
}

/** Parameters of a router's service: its namespace, the interface it serves, and its log file. */
interface ServiceLocation {
  readonly namespace: string;
  readonly interface: string;
  readonly logDirectory: string;
}

/**
 * Router advertisements every 30 to 70 ms (RFC 6275 §7.5) with the Advertisement Interval option
 * (§7.3) and the router's own address (§7.2), so that a node sees a new link at once. Solicitations
 * are answered by unicast, each and without a limit.
 */
export async function advertiseRouter(
  location: ServiceLocation,
  prefix: string,
  homeAgent: boolean,
): Promise<Background> {
  return await radvd(
    location,
    `interface ${location.interface} {
  AdvSendAdvert on;
  MinRtrAdvInterval 0.03;
  MaxRtrAdvInterval 0.07;
  MinDelayBetweenRAs 0.03;
  AdvRASolicitedUnicast on;
  AdvIntervalOpt on;
  AdvDefaultLifetime 600;
  AdvHomeAgentFlag ${homeAgent ? 'on' : 'off'};
  prefix ${prefix}::1/64 { AdvOnLink on; AdvAutonomous on; AdvRouterAddr on; };
};
`,
  );
}

async function radvd(location: ServiceLocation, text: string): Promise<Background> {
  const file = configFile(location, 'radvd', text);
  const pidFile = `${LAB_DIRECTORY}/${location.namespace}.radvd.pid`;
  const argv = ['radvd', '--nodaemon', '-m', 'stderr', '-p', pidFile, '-C', file];
  const daemon = new Background(argv, {
    namespace: location.namespace,
    logFile: logFile(location, 'radvd'),
  });
  await daemon.ready('started');
  return daemon;
}

/**
 * As examples/radvd.conf: advertises the prefixes of the router's addresses on the link. Before the
 * mobile router's daemon enables forwarding, radvd only warns.
 */
export async function advertiseMobileNetwork(location: ServiceLocation): Promise<Background> {
  return await radvd(
    location,
    `interface ${location.interface} {
  AdvSendAdvert on;
  IgnoreIfMissing on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 4;
  prefix ::/64 { AdvOnLink on; AdvAutonomous on; };
};
`,
  );
}

/**
 * A DHCPv4 server that answers at once: authoritative, no ping before an offer. Leases live in
 * memory only.
 */
export async function serveDhcp(location: ServiceLocation, link: LinkIpv4): Promise<Background> {
  const file = configFile(
    location,
    'dnsmasq',
    `port=0
interface=${location.interface}
bind-dynamic
dhcp-authoritative
no-ping
leasefile-ro
dhcp-range=${link.first},${link.last},1h
dhcp-option=option:router,${link.router}
`,
  );
  return await dnsmasq(location, file, 'started, version');
}

/** Files of names that change while the lab runs; the name server notices each change. */
const CHANGING_NAMES = `${LAB_DIRECTORY}/etc/names`;

/**
 * Gives a name its addresses, or others than before. The name server reads the file within
 * milliseconds; resolvers keep a former answer for its time to live.
 */
export function renameHost(name: string, addresses: readonly string[]): void {
  const file = `${CHANGING_NAMES}/${name}`;
  const written = `${LAB_DIRECTORY}/etc/${name}.new`;
  writeFileSync(written, addresses.map((address) => `${address} ${name}\n`).join(''));
  renameSync(written, file);
}

/**
 * The lab's name server. It serves the names of {@link HOST_NAMES} and of {@link renameHost},
 * forwards queries for `zones` (each `[zone, server]`), and knows no other names.
 */
export async function serveNames(
  location: ServiceLocation,
  addresses: readonly string[],
  zones: readonly (readonly [string, string])[],
): Promise<Background> {
  const names = HOST_NAMES.map((record) => `host-record=${record.join(',')}\n`).join('');
  const delegated = zones.map(([zone, server]) => `server=/${zone}/${server}\n`).join('');
  const listen = addresses.map((address) => `listen-address=${address}\n`).join('');
  rmSync(CHANGING_NAMES, { recursive: true, force: true });
  mkdirSync(CHANGING_NAMES, { recursive: true });
  const file = configFile(
    location,
    'dns',
    `bind-interfaces
no-resolv
no-hosts
hostsdir=${CHANGING_NAMES}
local=/example/
local-ttl=5
${listen}${names}${delegated}`,
  );
  return await dnsmasq(location, file, 'started, version');
}

/**
 * `--no-daemon` keeps its user unchanged, because a user namespace with one mapped id has no other.
 */
async function dnsmasq(
  location: ServiceLocation,
  file: string,
  readyText: string,
): Promise<Background> {
  const argv = ['dnsmasq', '--no-daemon', `--conf-file=${file}`];
  const daemon = new Background(argv, {
    namespace: location.namespace,
    logFile: logFile(location, 'dnsmasq'),
  });
  await daemon.ready(readyText);
  return daemon;
}

function configFile(location: ServiceLocation, daemon: string, text: string): string {
  const directory = `${LAB_DIRECTORY}/etc`;
  mkdirSync(directory, { recursive: true });
  const file = `${directory}/${location.namespace}.${daemon}.conf`;
  writeFileSync(file, text);
  return file;
}

function logFile(location: ServiceLocation, daemon: string): string {
  return `${location.logDirectory}/${location.namespace}.${daemon}.log`;
}
