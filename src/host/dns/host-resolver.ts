/**
 * Makes the whole host use other name servers, through systemd-resolved or /etc/resolv.conf, and
 * restores the former ones.
 *
 * A refusal is no failure of the daemon: it is reported as an event, with a remedy.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { DesiredNameServers } from '#engine/contract/desired-state.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { HostResolverPort } from '#runtime/ports.ts';
import type { NameServer } from './dns-exchange.ts';
import { RESOLV_CONF, ResolvConf, type ResolvConfPaths, restoreResolvConf } from './resolv-conf.ts';
import { nameServersIn } from './resolver.ts';
import {
  isResolvedInUse,
  leaveResolved,
  RESOLVED_SERVERS,
  useResolved,
} from './systemd-resolved.ts';

/** Lists the servers of the links, where /etc/resolv.conf names a resolver of this host. */
const NETWORK_MANAGER_SERVERS = '/run/NetworkManager/no-stub-resolv.conf';

interface HostResolverOptions extends ResolvConfPaths {
  /** The TUN device. */
  readonly device: string;
  /** Name of the daemon. */
  readonly owner: string;
  /** Reports an event to the operator. */
  readonly note: (event: EngineEvent) => void;
}

export class HostResolver implements HostResolverPort, AsyncDisposable {
  readonly #options: HostResolverOptions;
  #used: DesiredNameServers | undefined;
  #file: ResolvConf | undefined;
  #usesResolved = false;
  /** Calls of resolvectl, one after the other. */
  #work = Promise.resolve();

  /** Restores what a killed run left. */
  constructor(options: HostResolverOptions) {
    this.#options = options;
    restoreResolvConf(options);
  }

  use(desired: DesiredNameServers): void {
    this.#used = desired;
    const { file } = this.#options;
    if (this.#file === undefined && isResolvedInUse(file)) this.#useResolved(desired);
    else this.#attempt('resolv-conf', () => this.#useFile(desired));
  }

  restore(): void {
    this.#used = undefined;
    this.#attempt('resolv-conf', () => this.#file?.[Symbol.dispose]());
    this.#file = undefined;
    if (this.#usesResolved) this.#later(() => leaveResolved(this.#options.device));
    this.#usesResolved = false;
  }

  /**
   * The servers of the access network. A resolver of this host is passed over if it may ask through
   * the tunnel, or if `isClosed` and it may not ask at all.
   */
  accessServers(isClosed: boolean): readonly NameServer[] {
    const { file = RESOLV_CONF } = this.#options;
    const own = new Set<string>(this.#used?.servers);
    const inUse = nameServersIn(this.#file?.former ?? textOf(file));
    if (!isClosed && this.#used === undefined) return inUse;
    const outside = inUse.filter(({ address }) => !isOwnHost(address));
    if (outside.length > 0) return outside;
    const found = [RESOLVED_SERVERS, NETWORK_MANAGER_SERVERS]
      .map((one) => nameServersIn(textOf(one)).filter(({ address }) => !own.has(address)))
      .find((list) => list.length > 0);
    return found ?? inUse;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.restore();
    await this.#work;
  }

  #useResolved({ servers, searchDomains }: DesiredNameServers): void {
    this.#usesResolved = true;
    this.#later(async () => {
      await useResolved({ device: this.#options.device, servers, searchDomains });
      this.#report('systemd-resolved', servers);
    });
  }

  #useFile({ servers, searchDomains }: DesiredNameServers): void {
    const { owner, note, ...paths } = this.#options;
    this.#file?.leave();
    this.#file = new ResolvConf({
      ...paths,
      ...{ owner, note, servers, searchDomains, remedy: 'set acceptDns: false' },
    });
    this.#report('resolv-conf', servers);
  }

  #report(resolver: string, servers: readonly string[]): void {
    const fields = { resolver, servers };
    this.#options.note({ name: 'resolver-set', level: 'info', fields });
  }

  #later(body: () => Promise<void>): void {
    this.#work = this.#work.then(body).catch((thrown: unknown) => {
      this.#refused('systemd-resolved', thrown);
    });
  }

  #attempt(resolver: string, body: () => void): void {
    try {
      body();
    } catch (thrown) {
      this.#refused(resolver, thrown);
    }
  }

  #refused(resolver: string, thrown: unknown): void {
    const error = thrown instanceof Error ? thrown.message : String(thrown);
    const servers = this.#used?.servers.join(' and ') ?? 'its former servers';
    const remedy = `configure the host's resolver to use ${servers}`;
    const fields = { resolver, error, remedy };
    this.#options.note({ name: 'resolver-refused', level: 'warn', fields });
  }
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

function isOwnHost(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
