/**
 * One network interface of a mobile node: carrier, router advertisements with duplicate address
 * detection, DHCP, and addresses that linger from the previous link.
 */
import {
  addressFromInterfaceIdentifier,
  type IpAddress,
  type Ipv6Address,
  ipv6,
  isIpv6,
} from '#base/ip.ts';
import { monotonic, NEVER } from '#base/time.ts';
import type {
  DefaultRouter,
  InterfaceAddress,
  NetworkInterface,
} from '#engine/common/network-interface.ts';
import type { AccessNetwork, Station } from './network.ts';
import type { SeededRandom } from './random.ts';
import type { Schedule } from './schedule.ts';

const LINK_LOCAL = ipv6('fe80::');
const ROUTER = ipv6('fe80::1');
const ROUTER_LIFETIME_MS = 1_800_000;

/** The course of one attachment; random by default. */
export interface AttachStyle {
  readonly carrierMs: number;
  readonly advertisementMs: number;
  readonly dhcpMs: number;
  /** 0: optimistic, usable at once. */
  readonly dadMs: number;
  /** Addresses of the previous link stay for a while, with their old epoch. */
  readonly lingering: boolean;
  readonly dadFails: boolean;
}

export class MobileInterface {
  readonly device: string;
  readonly index: number;
  readonly linkAddress: Uint8Array;
  readonly #random: SeededRandom;
  readonly #schedule: Schedule;
  readonly #station: Station;
  readonly #changed: () => void;
  #epoch = 1;
  #attachments = 0;
  #addresses: InterfaceAddress[] = [];
  #routers: DefaultRouter[] = [];
  running = false;
  network: AccessNetwork | undefined;

  constructor(
    device: string,
    index: number,
    random: SeededRandom,
    schedule: Schedule,
    station: Station,
    changed: () => void,
  ) {
    this.device = device;
    this.index = index;
    this.#random = random;
    this.#schedule = schedule;
    this.#station = station;
    this.#changed = changed;
    this.linkAddress = random.bytes(6);
    this.linkAddress[0] = 2;
  }

  randomStyle(): AttachStyle {
    const random = this.#random;
    return {
      carrierMs: random.between(1, 30),
      advertisementMs: random.between(1, 150),
      dhcpMs: random.between(1, 200),
      dadMs: random.chance(0.5) ? 0 : random.between(200, 1000),
      lingering: random.chance(0.5),
      dadFails: random.chance(0.02),
    };
  }

  snapshot(wanted: readonly IpAddress[]): NetworkInterface {
    const own = wanted.filter((address) => !this.#addresses.some((one) => one.address === address));
    const added = own.map((address) => this.#address(address, isIpv6(address) ? 64 : 24, false));
    return {
      index: this.index,
      name: this.device,
      running: this.running,
      epoch: this.#epoch,
      mtu: this.network?.mtu ?? 1500,
      linkAddress: this.linkAddress,
      addresses: [...this.#addresses, ...(this.running ? added : [])],
      routers: [...this.#routers],
    };
  }

  /** Confirmed addresses that may be used now. */
  usable(): readonly InterfaceAddress[] {
    return this.running
      ? this.#addresses.filter(
          (one) => !one.tentative && !one.duplicate && one.epoch === this.#epoch,
        )
      : [];
  }

  hasRouter(family: 4 | 6): boolean {
    return this.#routers.some((router) => router.family === family && router.epoch === this.#epoch);
  }

  /** Detaches the interface, and attaches it to `network` when there is one. */
  attach(network: AccessNetwork | undefined, style: AttachStyle = this.randomStyle()): void {
    this.#leave();
    const attachment = ++this.#attachments;
    const later = (delayMs: number, action: () => void): void =>
      this.#schedule.in(delayMs, () => {
        if (this.#attachments === attachment) action();
      });
    this.running = false;
    if (!style.lingering) this.#clear(() => true);
    this.#changed();
    if (network === undefined) return;
    later(style.carrierMs, () => {
      this.network = network;
      this.running = true;
      this.#epoch++;
      this.#changed();
    });
    later(style.carrierMs + style.advertisementMs, () => this.#advertised(network, style, later));
    later(style.carrierMs + style.dhcpMs, () => this.#leased(network));
    // A lingering address is removed when the new link does not replace it.
    later(style.carrierMs + 2000, () => {
      if (this.#clear((epoch) => epoch !== this.#epoch)) this.#changed();
    });
  }

  #leave(): void {
    for (const { address } of this.#addresses) {
      if (this.network?.stations.get(address) === this.#station)
        this.network.stations.delete(address);
    }
    this.network = undefined;
  }

  #advertised(
    network: AccessNetwork,
    style: AttachStyle,
    later: (delayMs: number, action: () => void) => void,
  ): void {
    if (network.prefix6 === undefined) return;
    this.#addresses = this.#addresses.filter((one) => !isIpv6(one.address));
    this.#routers = this.#routers.filter((router) => router.family !== 6);
    const identifier = this.#random.bytes(8);
    const address = addressFromInterfaceIdentifier(network.prefix6, identifier);
    this.#addresses.push(
      this.#address(addressFromInterfaceIdentifier(LINK_LOCAL, identifier), 64, false),
    );
    this.#addresses.push(this.#address(address, 64, style.dadMs > 0));
    const validUntil = monotonic(this.#schedule.now + ROUTER_LIFETIME_MS);
    this.#routers.push({
      family: 6,
      gateway: ROUTER,
      metric: 1024,
      validUntil,
      epoch: this.#epoch,
    });
    this.#advertiseAgain(later);
    if (style.dadMs === 0) network.stations.set(address, this.#station);
    this.#changed();
    if (style.dadMs > 0)
      later(style.dadMs, () => this.#detected(network, address, style.dadFails, later));
  }

  /** Unsolicited advertisements, RFC 4861 §6.2.4, prolong the router's lifetime. */
  #advertiseAgain(later: (delayMs: number, action: () => void) => void): void {
    later(this.#random.between(200_000, 600_000), () => {
      const validUntil = monotonic(this.#schedule.now + ROUTER_LIFETIME_MS);
      this.#routers = this.#routers.map((router) =>
        router.family === 6 ? { ...router, validUntil } : router,
      );
      this.#changed();
      this.#advertiseAgain(later);
    });
  }

  #detected(
    network: AccessNetwork,
    address: Ipv6Address,
    failed: boolean,
    later: (delayMs: number, action: () => void) => void,
  ): void {
    this.#addresses = this.#addresses.map((one) =>
      one.address === address ? { ...one, tentative: false, duplicate: failed } : one,
    );
    if (failed) {
      const other = addressFromInterfaceIdentifier(address, this.#random.bytes(8));
      later(500, () => {
        this.#addresses = this.#addresses.filter((one) => one.address !== address);
        this.#addresses.push(this.#address(other, 64, false));
        network.stations.set(other, this.#station);
        this.#changed();
      });
    } else network.stations.set(address, this.#station);
    this.#changed();
  }

  #leased(network: AccessNetwork): void {
    const address = network.lease4();
    const router = network.router4;
    if (address === undefined || router === undefined) return;
    this.#addresses = this.#addresses.filter((one) => isIpv6(one.address));
    this.#routers = this.#routers.filter((one) => one.family !== 4);
    this.#addresses.push(this.#address(address, 24, false));
    this.#routers.push({
      family: 4,
      gateway: router,
      metric: 100,
      validUntil: NEVER,
      epoch: this.#epoch,
    });
    network.stations.set(address, this.#station);
    this.#changed();
  }

  #clear(which: (epoch: number) => boolean): boolean {
    const before = this.#addresses.length + this.#routers.length;
    this.#addresses = this.#addresses.filter((one) => !which(one.epoch));
    this.#routers = this.#routers.filter((one) => !which(one.epoch));
    return before !== this.#addresses.length + this.#routers.length;
  }

  #address(address: IpAddress, prefixLength: number, tentative: boolean): InterfaceAddress {
    return {
      address,
      prefixLength,
      tentative,
      duplicate: false,
      deprecated: false,
      validUntil: NEVER,
      epoch: this.#epoch,
    };
  }
}
