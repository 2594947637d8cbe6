/**
 * The tunnel that follows from a care-of address and an acknowledgement.
 *
 * docs/reference/sealed-mobile-ipv6.md §6  UDP over both families if it is sealed
 * RFC 4303, RFC 3948     ESP over IPv6, and in UDP over IPv4
 * RFC 5555 §4.2, §4.4.3  UDP if there is a NAT or the home agent asks for it, IP in IP otherwise
 */
import type { IpAddress } from '#base/ip.ts';
import type { EspAlgorithm } from '#crypto/esp.ts';
import type { Encapsulation } from '#engine/contract/outer-path.ts';
import { dataAlgorithm, espMtu, espPort } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import { sealedOverhead } from '#engine/mobile-ipv6/common/sealed-overhead.ts';
import { HOME_AGENT_UDP_PORT } from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import type {
  HomeConfiguration,
  MobileNodeConfiguration,
} from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { HomeAgentTarget } from '#engine/mobile-ipv6/mobile-node/home/home-agent-addresses.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import { type MobilityOptionOf, NO_KEEPALIVE_NEEDED } from '#wire/mobility/options.ts';

/** Octets of the outer headers. */
const OVERHEAD = { ipip6: 40, ipip4: 20, udp: 28 } as const;
/** The carrier over IPv6 and over IPv4 that has the same outer IP header. */
const PLAIN = { 6: 'ipip', 4: 'udp' } as const;
/** Smallest MTU that IPv6 allows; below it the outer packet is fragmented instead. */
export const MINIMUM_MTU = 1280;

/** Both ends of a tunnel and its encapsulation. */
export interface TunnelEndpoints {
  readonly encapsulation: Encapsulation;
  readonly careOf: CareOfCandidate;
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** With `esp`. */
  readonly algorithm?: EspAlgorithm;
}

/** What protects the data of a home: an algorithm of ESP, sealing or nothing. */
type DataProtection = EspAlgorithm | 'sealed' | 'none';

export function dataProtection({
  publicKey,
  esp,
}: Pick<HomeConfiguration, 'publicKey' | 'esp'>): DataProtection {
  return publicKey === undefined ? (dataAlgorithm(esp) ?? 'none') : 'sealed';
}

/**
 * Before an acknowledgement, and always if data are protected: UDP on IPv4, which works with and
 * without a NAT.
 */
export function defaultEndpoints(
  careOf: CareOfCandidate,
  target: HomeAgentTarget,
  protection: DataProtection,
): TunnelEndpoints {
  if (protection === 'none') return endpoints(careOf, target, PLAIN[careOf.family]);
  if (protection === 'sealed') return endpoints(careOf, target, 'sealed');
  const remotePort = espPort(careOf.family);
  return { ...endpoints(careOf, target, 'esp'), remotePort, algorithm: protection };
}

function endpoints(
  careOf: CareOfCandidate,
  { outerAddress: remote }: HomeAgentTarget,
  encapsulation: Encapsulation,
): TunnelEndpoints {
  const remotePort = encapsulation === 'ipip' ? 0 : HOME_AGENT_UDP_PORT;
  return { encapsulation, careOf, remote, remotePort };
}

/**
 * A NAT is in the path. Over UDP the option is always present (RFC 5555 §4.2); all ones mean that
 * no NAT was found.
 */
export function natDetected(option: MobilityOptionOf<'nat-detection'> | undefined): boolean {
  return option !== undefined && option.refreshTimeSeconds !== NO_KEEPALIVE_NEEDED;
}

/** After an acknowledgement, if data are not protected. */
export function acknowledgedEndpoints(
  careOf: CareOfCandidate,
  target: HomeAgentTarget,
  option: MobilityOptionOf<'nat-detection'> | undefined,
): TunnelEndpoints {
  const udp = careOf.family === 4 && (natDetected(option) || option?.forceUdp === true);
  return endpoints(careOf, target, udp ? 'udp' : 'ipip');
}

export function tunnelMtu(
  { encapsulation, careOf, algorithm }: TunnelEndpoints,
  configuration: MobileNodeConfiguration,
): number {
  if (encapsulation === 'sealed')
    return protectedMtu(careOf, configuration, (plain) => plain - sealedOverhead(careOf.family));
  if (encapsulation === 'esp')
    return protectedMtu(careOf, configuration, (plain) =>
      algorithm === undefined ? plain : espMtu(algorithm, plain),
    );
  const ipip = careOf.family === 6 ? OVERHEAD.ipip6 : OVERHEAD.ipip4;
  const overhead = encapsulation === 'udp' ? OVERHEAD.udp : ipip;
  const largest = Math.min(configuration.tunnelMtu[encapsulation], careOf.mtu - overhead);
  return Math.max(MINIMUM_MTU, largest);
}

/** `shrink`: from the MTU of a plain tunnel. */
function protectedMtu(
  { family, mtu }: CareOfCandidate,
  configuration: MobileNodeConfiguration,
  shrink: (plain: number) => number,
): number {
  const carrier = PLAIN[family];
  const overhead = carrier === 'udp' ? OVERHEAD.udp : OVERHEAD.ipip6;
  const plain = Math.min(configuration.tunnelMtu[carrier], mtu - overhead);
  return Math.max(MINIMUM_MTU, shrink(plain));
}
