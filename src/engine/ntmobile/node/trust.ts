/**
 * What a node believes of others: credentials that an authority of its account server vouches for,
 * and addresses within the system's prefixes.
 *
 * No RFC: docs/reference/ntmobile.md §2.1
 */
import {
  cachedAddressBytes,
  type IpAddress,
  isIpv6,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import type { Wall } from '#base/time.ts';
import { verifyCredential } from '#crypto/node-credential.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import type { PeerNode } from './peer-node.ts';
import type { NtmobileNodeCounter } from './reasons.ts';
import type { Granted } from './stored-login.ts';

/** docs/reference/ntmobile.md §2: of general nodes. */
const GENERAL_SUBNET = 1;

export class Trust {
  readonly #virtualIpv4Prefix: Prefix;
  readonly #counters: CounterSet<NtmobileNodeCounter>;
  /** What the last login gave, while it is valid; without it nobody is believed. */
  granted: Granted | undefined;

  constructor(virtualIpv4Prefix: Prefix, counters: CounterSet<NtmobileNodeCounter>) {
    this.#virtualIpv4Prefix = virtualIpv4Prefix;
    this.#counters = counters;
  }

  /** Whoever directs must not take real addresses away. */
  isVirtual(address: IpAddress): boolean {
    const prefix = this.granted?.systemPrefix;
    if (prefix !== undefined && prefixContains(prefix, address)) return true;
    return prefixContains(this.#virtualIpv4Prefix, address);
  }

  /** A general node has what no node may have: directions cannot take the address of one away. */
  isGeneral(address: IpAddress): boolean {
    if (!isIpv6(address)) return this.isVirtual(address);
    const [high, low] = cachedAddressBytes(address).subarray(6, 8);
    return this.isVirtual(address) && high === 0 && low === GENERAL_SUBNET;
  }

  verifiedPeer(now: Wall, options: readonly NtmobileOption[]): PeerNode | undefined {
    const credential = findNtmobileOption(options, 'credential')?.credential;
    const holder = credential === undefined ? undefined : this.holder(now, credential);
    const { ipv6, ipv4, name } = {
      ipv6: findNtmobileOption(options, 'virtual-ipv6')?.address,
      ipv4: findNtmobileOption(options, 'virtual-ipv4')?.address,
      name: findNtmobileOption(options, 'name')?.name,
    };
    const agrees =
      holder?.name === name && holder?.virtualIpv6 === ipv6 && holder?.virtualIpv4 === ipv4;
    if (holder !== undefined && agrees) return holder;
    this.#counters.count('credential-refused');
    return undefined;
  }

  /** What a credential says, when one of our authorities vouches for it. */
  holder(
    now: Wall,
    credential: Uint8Array,
    publicKey: Uint8Array = credential.slice(28, 60),
  ): PeerNode | undefined {
    const seconds = BigInt(Math.floor(now / 1000));
    const judged = verifyCredential(
      credential,
      this.granted?.authorities ?? [],
      publicKey,
      seconds,
    );
    if (
      typeof judged === 'string' ||
      !this.isVirtual(judged.virtualIpv6) ||
      !this.isVirtual(judged.virtualIpv4)
    )
      return undefined;
    return judged;
  }
}
