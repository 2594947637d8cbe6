/**
 * Name resolution of the host: the stub resolver, its upstream servers, and the host's resolver
 * configuration that points to the stub.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { NameServer } from '#host/dns/dns-exchange.ts';
import { Forwarder } from '#host/dns/dns-forwarder.ts';
import type { RebindRules } from '#host/dns/rebind-protection.ts';
import {
  isMountPoint,
  linkTarget,
  RESOLV_CONF,
  ResolvConf,
  type ResolvConfPaths,
  restoreResolvConf,
} from '#host/dns/resolv-conf.ts';
import { nameServersIn } from '#host/dns/resolver.ts';
import { StubResolver } from '#host/dns/stub-resolver.ts';
import {
  isResolvedInUse,
  leaveResolved,
  RESOLVED_SERVERS,
  useResolved,
} from '#host/dns/systemd-resolved.ts';
import type { EventSink } from '#runtime/ports.ts';

export const RESOLVER_MODES = ['auto', 'resolv-conf', 'systemd-resolved', 'off'] as const;
/** How applications are made to use the stub. */
export type ResolverMode = (typeof RESOLVER_MODES)[number];

export interface NameSettings {
  readonly stub: { readonly addresses: readonly IpAddress[]; readonly port: number };
  readonly resolver: ResolverMode;
  readonly rebind: RebindRules;
}

interface HostNamesOptions extends NameSettings {
  readonly daemon: DaemonSettings;
  readonly virtualIpv4Prefix: Prefix;
  /** The host's own addresses, without virtual ones. */
  readonly sources: () => readonly IpAddress[];
  readonly events: EventSink;
}

const DNS_PORT = 53;

export class HostNames implements AsyncDisposable {
  readonly #options: HostNamesOptions;
  readonly #mode: Exclude<ResolverMode, 'auto'>;
  #stub: StubResolver | undefined;
  #file: ResolvConf | undefined;
  /** Servers that a home agent gave, which applications ask in place of those of the network. */
  #given: readonly NameServer[] | undefined;

  private constructor(options: HostNamesOptions) {
    this.#options = options;
    restoreResolvConf(resolvConfPaths(options.daemon));
    this.#mode = options.resolver === 'auto' ? this.#automaticMode() : options.resolver;
  }

  /**
   * Opens the stub; applications do not use it before `use`. Throws the host's error if the address
   * or port is not available.
   */
  static async open(options: HostNamesOptions): Promise<HostNames> {
    const names = new HostNames(options);
    const { stub, virtualIpv4Prefix, rebind, sources } = options;
    const forwarder = new Forwarder({
      servers: () => names.#given ?? names.servers(),
      // Servers of the home agent are behind the tunnel.
      sources: () => (names.#given === undefined ? sources() : []),
    });
    names.#stub = await StubResolver.open({
      ...stub,
      forwarder,
      ...{ virtualIpv4Prefix, rebind },
      now: () => performance.now(),
    });
    return names;
  }

  get stub(): StubResolver {
    if (this.#stub === undefined) throw new Error('the stub is not open');
    return this.#stub;
  }

  /** Asks these servers for applications; undefined: those of the access network again. */
  forwardTo(addresses: readonly IpAddress[] | undefined): void {
    this.#given = addresses?.map((address) => ({ address, port: DNS_PORT }));
  }

  /** The configured resolvers, or those of the access network. */
  servers(): readonly NameServer[] {
    const { resolvers } = this.#options.daemon;
    if (resolvers.length > 0) return resolvers.map((address) => ({ address, port: DNS_PORT }));
    const found = nameServersIn(
      this.#file?.former ??
        textOf(this.#mode === 'systemd-resolved' ? RESOLVED_SERVERS : RESOLV_CONF),
    );
    const own = new Set<string>(this.#options.stub.addresses);
    return found.filter(
      ({ address, port }) => !own.has(address) || port !== this.#options.stub.port,
    );
  }

  /** Points applications to the stub. A refusal of the host is logged and not fatal. */
  async use(): Promise<void> {
    const { daemon, stub } = this.#options;
    try {
      if (this.#mode === 'resolv-conf') this.#takeFile();
      else if (this.#mode === 'systemd-resolved') {
        const servers = stub.addresses.map((address) => endpointText(address, stub.port));
        await useResolved({ device: daemon.device, servers });
      } else return;
      this.#note('resolver-set', 'info', { resolver: this.#mode, servers: [...stub.addresses] });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown.message : String(thrown);
      this.#note('resolver-refused', 'warn', {
        resolver: this.#mode,
        error,
        remedy: this.#manualSetup(),
      });
    }
  }

  #takeFile(): void {
    const { daemon, stub } = this.#options;
    this.#file = new ResolvConf({
      ...resolvConfPaths(daemon),
      ...{ servers: stub.addresses, owner: daemon.name },
      note: (event) => this.#options.events.event(event, Date.now()),
    });
  }

  /** Chooses the mode that changes the least of an existing setup. */
  #automaticMode(): Exclude<ResolverMode, 'auto'> {
    if (isResolvedInUse()) return 'systemd-resolved';
    const target = linkTarget(RESOLV_CONF);
    const why =
      target !== undefined
        ? `${RESOLV_CONF} is a link to ${target}`
        : isMountPoint(RESOLV_CONF)
          ? `${RESOLV_CONF} is a mount point`
          : this.#options.stub.port !== DNS_PORT
            ? `${RESOLV_CONF} cannot hold a port`
            : undefined;
    if (why === undefined) return 'resolv-conf';
    this.#note('resolver-not-configured', 'info', { why, remedy: this.#manualSetup() });
    return 'off';
  }

  #manualSetup(): string {
    const { addresses, port } = this.#options.stub;
    return (
      `configure the host's resolver to use ` +
      `${addresses.map((address) => endpointText(address, port)).join(' or ')}`
    );
  }

  #note(
    name: EngineEvent['name'],
    level: 'info' | 'warn',
    fields: Readonly<Record<string, string | readonly string[]>>,
  ): void {
    this.#options.events.event({ name, level, fields }, Date.now());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#file?.[Symbol.dispose]();
    if (this.#mode === 'systemd-resolved') await leaveResolved(this.#options.daemon.device);
    await this.#stub?.[Symbol.asyncDispose]();
  }
}

export function resolvConfPaths({
  stateDirectory,
  name,
}: Pick<DaemonSettings, 'stateDirectory' | 'name'>): ResolvConfPaths {
  return { backup: join(stateDirectory, `${name}.resolv-conf.json`) };
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

function endpointText(address: IpAddress, port: number): string {
  if (port === DNS_PORT) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
