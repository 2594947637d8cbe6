import { formatPrefix } from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type {
  DesiredAddress,
  DesiredProxyNeighbour,
  DesiredRoute,
  DesiredRule,
  DesiredSysctl,
} from '#engine/contract/desired-state.ts';
import type { KernelPort } from '#runtime/ports.ts';

class FakeSystemError extends Error {
  readonly code: string;

  constructor(code: string, what: string) {
    super(`${code}: ${what}`);
    this.code = code;
  }
}

/**
 * A kernel in memory. Addresses and routes vanish with their device. A route's preferred source has
 * to be an address. Adding twice and deleting what does not exist are harmless.
 */
export class FakeKernel implements KernelPort {
  readonly devices = new Set<string>(['%tun', 'eth0', 'eth1']);
  readonly addresses = new Map<string, DesiredAddress>();
  readonly routes = new Map<string, DesiredRoute>();
  readonly rules = new Set<string>();
  readonly proxies = new Set<string>();
  readonly sysctls = new Map<string, string>();
  readonly originals = new Map<string, string>();
  readonly log: string[];
  interfaces: readonly NetworkInterface[] = [];
  /** The error code of `repairDevice`; undefined: the device is repaired. */
  deviceRefusal: string | undefined;
  /** What `repairDevice` finds and repairs. */
  deviceHarm: string | undefined;
  swept = 0;
  closed = false;
  #network: ((interfaces: readonly NetworkInterface[]) => void) | undefined;
  #disturbed: (() => void) | undefined;

  constructor(log: string[] = []) {
    this.log = log;
  }

  repairDevice(): string | undefined {
    if (this.deviceRefusal !== undefined) throw new FakeSystemError(this.deviceRefusal, '%tun');
    const { deviceHarm } = this;
    this.deviceHarm = undefined;
    return deviceHarm;
  }

  addAddress(address: DesiredAddress): void {
    this.#need(address.device);
    this.log.push(`address ${address.device} ${address.address}`);
    this.addresses.set(`${address.device} ${address.address}/${address.prefixLength}`, address);
  }

  deleteAddress(address: DesiredAddress): void {
    this.log.push(`no address ${address.device} ${address.address}`);
    this.addresses.delete(`${address.device} ${address.address}/${address.prefixLength}`);
  }

  addRoute(route: DesiredRoute): void {
    if (route.device !== undefined) this.#need(route.device);
    if (
      route.source !== undefined &&
      ![...this.addresses.values()].some((one) => one.address === route.source)
    ) {
      throw new FakeSystemError('EINVAL', `source ${route.source} is no local address`);
    }
    this.log.push(`route ${routeKey(route)}`);
    this.routes.set(routeKey(route), route);
  }

  deleteRoute(route: DesiredRoute): void {
    this.log.push(`no route ${routeKey(route)}`);
    this.routes.delete(routeKey(route));
  }

  addRule(rule: DesiredRule): void {
    this.log.push(`rule ${rule.priority}`);
    this.rules.add(JSON.stringify(rule));
  }

  deleteRule(rule: DesiredRule): void {
    this.log.push(`no rule ${rule.priority}`);
    this.rules.delete(JSON.stringify(rule));
  }

  addProxyNeighbour(neighbour: DesiredProxyNeighbour): void {
    this.#need(neighbour.device);
    this.proxies.add(`${neighbour.device} ${neighbour.address}`);
  }

  deleteProxyNeighbour(neighbour: DesiredProxyNeighbour): void {
    this.proxies.delete(`${neighbour.device} ${neighbour.address}`);
  }

  setSysctl(sysctl: DesiredSysctl): void {
    if (!this.originals.has(sysctl.path))
      this.originals.set(sysctl.path, this.sysctls.get(sysctl.path) ?? '0');
    this.sysctls.set(sysctl.path, sysctl.value);
  }

  restoreSysctl(path: string): void {
    this.sysctls.set(path, this.originals.get(path) ?? '0');
    this.originals.delete(path);
  }

  sweep(): void {
    this.swept++;
    this.log.push('sweep');
  }

  onNetwork(handler: (interfaces: readonly NetworkInterface[]) => void): void {
    this.#network = handler;
    handler(this.interfaces);
  }

  onDisturbed(handler: () => void): void {
    this.#disturbed = handler;
  }

  close(): void {
    this.closed = true;
    this.log.push('kernel closed');
  }

  /** Removes a device with its addresses and routes. */
  unplug(device: string): void {
    this.devices.delete(device);
    for (const [key, address] of this.addresses)
      if (address.device === device) this.addresses.delete(key);
    for (const [key, route] of this.routes) if (route.device === device) this.routes.delete(key);
    this.#network?.(this.interfaces);
    this.#disturbed?.();
  }

  plug(device: string): void {
    this.devices.add(device);
    this.#network?.(this.interfaces);
  }

  /** An operator flushes the routes. */
  flush(): void {
    this.routes.clear();
    this.#disturbed?.();
  }

  setNetwork(interfaces: readonly NetworkInterface[]): void {
    this.interfaces = interfaces;
    this.#network?.(interfaces);
  }

  #need(device: string): void {
    if (!this.devices.has(device)) throw new FakeSystemError('ENODEV', `no device ${device}`);
  }
}

function routeKey(route: DesiredRoute): string {
  return `${formatPrefix(route.destination)} table ${route.table} metric ${route.metric ?? 0}`;
}
