/**
 * What a node believes about others: the account server's authorities sign the credentials of
 * nodes, and its description of the system names the prefixes of virtual addresses and the relays.
 * A direction coordinator can add nothing to that.
 *
 * No RFC: docs/reference/ntmobile.md §2, §2.1, §2.2
 */
import { equalBytes } from '#base/bytes.ts';
import { type IpAddress, type Prefix, prefixContains } from '#base/ip.ts';
import type { Wall } from '#base/time.ts';
import { verifyCredential } from '#crypto/node-credential.ts';
import { KnownCredentials } from './known-credentials.ts';
import type { PeerNode } from './peer-node.ts';
import type { LoginGrant } from './stored-login.ts';

export type CredentialFault =
  | 'credential-refused'
  | 'credential-expired'
  | 'credential-superseded'
  | 'credential-other-zone';

export class Trust {
  readonly #virtualIpv4Prefix: Prefix;
  readonly #known = new KnownCredentials();
  /** The last login while it is valid; without it no credential is valid. */
  granted: LoginGrant | undefined;
  /** The content of this node's credential; undefined while there is none. */
  own: PeerNode | undefined;

  constructor(virtualIpv4Prefix: Prefix) {
    this.#virtualIpv4Prefix = virtualIpv4Prefix;
  }

  /** Prefixes of all virtual addresses. */
  get virtualPrefixes(): readonly Prefix[] {
    const system = this.granted?.systemPrefix;
    return [...(system === undefined ? [] : [system]), this.#virtualIpv4Prefix];
  }

  /**
   * Whether an address is within the system's prefixes: neither a credential nor a direction
   * redirects real addresses.
   */
  isVirtual(address: IpAddress): boolean {
    return this.virtualPrefixes.some((prefix) => prefixContains(prefix, address));
  }

  /** Whether an address may belong to a general node, and never to a node. */
  isGeneral(address: IpAddress): boolean {
    const general = this.granted?.generalPrefixes ?? [];
    return this.isVirtual(address) && general.some((prefix) => prefixContains(prefix, address));
  }

  /** Whether names of nodes are below the zone, and only a credential gives them addresses. */
  isInZone(name: string): boolean {
    const zone = this.granted?.zone;
    return zone !== undefined && (name === zone || name.endsWith(`.${zone}`));
  }

  /** Whether a relay is one of the system, as far as the account server names them. */
  isRelay(publicKey: Uint8Array): boolean {
    const keys = this.granted?.relayKeys;
    return keys === undefined || keys.some((key) => equalBytes(key, publicKey));
  }

  /** The content of a credential that an authority of the account server signed for this key. */
  holder(
    now: Wall,
    credential: Uint8Array,
    publicKey: Uint8Array = credential.slice(28, 60),
  ): PeerNode | CredentialFault {
    const seconds = BigInt(Math.floor(now / 1000));
    const authorities = this.granted?.authorities ?? [];
    const judged = verifyCredential(credential, authorities, publicKey, seconds);
    if (judged === 'expired' || judged === 'not-yet-valid') return 'credential-expired';
    if (typeof judged === 'string') return 'credential-refused';
    const addresses = [judged.virtualIpv6, judged.virtualIpv4];
    if (!addresses.every((one) => this.isVirtual(one) && !this.isGeneral(one)))
      return 'credential-refused';
    if (!this.isInZone(judged.name)) return 'credential-other-zone';
    return this.#known.accept(judged) ? judged : 'credential-superseded';
  }
}
