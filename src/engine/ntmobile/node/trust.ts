/**
 * Verification of other nodes: credentials signed by an authority of the account server, and
 * addresses within the system's prefixes.
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
import type { LoginGrant } from './stored-login.ts';

/** Subnet of general nodes, docs/reference/ntmobile.md §2. */
const GENERAL_SUBNET = 1;

export class Trust {
  readonly #virtualIpv4Prefix: Prefix;
  readonly #counters: CounterSet<NtmobileNodeCounter>;
  /** The last login while it is valid; without it no credential is valid. */
  granted: LoginGrant | undefined;

  constructor(virtualIpv4Prefix: Prefix, counters: CounterSet<NtmobileNodeCounter>) {
    this.#virtualIpv4Prefix = virtualIpv4Prefix;
    this.#counters = counters;
  }

  /**
   * Whether an address is within the system's prefixes: a direction must not redirect real
   * addresses.
   */
  isVirtual(address: IpAddress): boolean {
    const prefix = this.granted?.systemPrefix;
    if (prefix !== undefined && prefixContains(prefix, address)) return true;
    return prefixContains(this.#virtualIpv4Prefix, address);
  }

  /**
   * Whether an address may belong to a general node, so that a direction cannot redirect the
   * address of a node.
   */
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

  /** The content of a credential that an authority of the account server signed. */
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
