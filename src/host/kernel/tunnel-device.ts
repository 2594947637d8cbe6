/**
 * The daemon's TUN device: notices that another program changed or removed it, and repairs it.
 *
 * The kernel removes the addresses and routes of a device that goes down, silently those of IPv4.
 * Repairs follow with the next reapplication of the desired state, so that the reconciler's
 * back-off also limits a fight with a program that sets the device down again.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { LinkFlag } from '#wire/rtnetlink/layout.ts';
import { encodeLinkChange, type RtnetlinkMessage } from '#wire/rtnetlink/message.ts';
import type { NetlinkRequests } from './netlink-requests.ts';

/** The kernel removes IPv6 from a device with a smaller MTU, and all its settings. */
export const IPV6_MINIMUM_MTU = 1280;

export interface OwnDevice {
  readonly name: string;
  readonly mtu: number;
  /** Creates the device again. Throws a host error, such as EBUSY for a name that is taken. */
  reopen(): void;
}

type Harm = 'changed' | 'removed';

export class TunnelDevice {
  readonly #device: OwnDevice;
  readonly #requests: NetlinkRequests;
  #index = 0;
  #harm: Harm | undefined;

  /** The device exists. */
  constructor(device: OwnDevice, requests: NetlinkRequests) {
    this.#device = device;
    this.#requests = requests;
    this.#find();
    // `default` may have disabled IPv6 for every new device.
    enableIpv6(device.name);
  }

  /** Takes a notification; true if it says that the device is not as the daemon needs it. */
  notify(message: RtnetlinkMessage): boolean {
    if (message.kind !== 'link' || message.link.index !== this.#index) return false;
    const { name, mtu = 0, flags } = message.link;
    if (message.operation === 'delete' || name !== this.#device.name || mtu < IPV6_MINIMUM_MTU)
      this.#harm = 'removed';
    else if ((flags & LinkFlag.up) === 0 || mtu !== this.#device.mtu) this.#harm ??= 'changed';
    return this.#harm !== undefined;
  }

  /** Makes the device what it has to be; says what had happened to it. Throws host errors. */
  repair(): Harm | undefined {
    const { name, mtu, reopen } = this.#device;
    const harm = this.#harm;
    if (harm === 'removed') {
      reopen();
      this.#find();
    } else if (harm === 'changed') {
      const up = { index: this.#index, flags: LinkFlag.up, changeMask: LinkFlag.up };
      this.#requests.change(`device ${name}`, [], (sequence) =>
        encodeLinkChange({ ...up, hardwareType: 0, mtu }, sequence),
      );
    }
    enableIpv6(name);
    this.#harm = undefined;
    return harm;
  }

  #find(): void {
    for (const message of this.#requests.dump('link')) {
      if (message.kind === 'link' && message.link.name === this.#device.name)
        this.#index = message.link.index;
    }
  }
}

function enableIpv6(device: string): void {
  const file = `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
  if (existsSync(file) && readFileSync(file, 'utf8').trim() !== '0') writeFileSync(file, '0');
}
