/**
 * An ICMPv6 Parameter Problem about a Binding Update: the host at that address has no Mobile IPv6.
 *
 * RFC 6275 §11.3.5  Code 1: no further Binding Updates to that destination for a while;  Code 2, of
 *                   a host that does not know the Home Address option: reported
 * Own choice        both make the node use the other addresses of the home agent at once. A binding
 *                   stays, and where there is no other address the back-off continues
 * ICMP errors are not authenticated: only a quotation of a recent Binding Update with its valid
 * authenticator counts, which no host off the path can have.
 */
import { isMalformed } from '#base/bytes.ts';
import type { IpAddress, Ipv6Address } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { verifyMobility } from '#crypto/mobility-auth.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type { MobileNodeReason } from '#engine/mobile-ipv6/mobile-node/reasons.ts';
import { icmpv6ChecksumValid, icmpv6Codec } from '#wire/ip/icmpv6.ts';
import { homeAddressOption, type Ipv6Packet, ipv6Codec } from '#wire/ip/ipv6.ts';
import { mobilityCodec, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import type { HomeAgentAddresses } from './home-agent-addresses.ts';

/** Sequence numbers that an error may still be about. */
const RECENT_UPDATES = 16;

/** An error and the packet that it quotes. */
interface ParameterProblem {
  readonly from: Ipv6Address;
  readonly code: number;
  readonly quoted: Ipv6Packet;
}

/** The parts of a home that an error concerns. */
export interface BlamedHome {
  readonly configuration: {
    readonly homeAddress: Ipv6Address;
    readonly registrationKey: RegistrationKey | undefined;
    readonly publicKey?: Uint8Array | undefined;
  };
  readonly stored: { readonly sequence: number };
  readonly homeAgents: Pick<
    HomeAgentAddresses,
    'isInUse' | 'isOuterAddressInUse' | 'refuse' | 'target'
  >;
  readonly attachment: {
    readonly current: { registerAgain(step: Step): void } | undefined;
  };
  /** Whether packets to the address belong to a registration of this home. */
  ownsCareOf(address: IpAddress): boolean;
  event(
    step: Step,
    name: EngineEvent['name'],
    level: EngineEvent['level'],
    fields: JsonObject,
  ): void;
}

/** Undefined unless the packet is a Parameter Problem that quotes a whole Mobility Header. */
function parameterProblem({ source, destination, payload }: Ipv6Packet) {
  if (!icmpv6ChecksumValid(source, destination, payload)) return undefined;
  const message = icmpv6Codec.parse(payload);
  if (isMalformed(message) || message.body.type !== 'parameter-problem') return undefined;
  const quoted = ipv6Codec.parse(message.body.packet);
  if (isMalformed(quoted) || quoted.protocol !== PROTOCOL_MOBILITY) return undefined;
  return { from: source, code: message.code, quoted } satisfies ParameterProblem;
}

/** Handles an ICMPv6 packet; gives the reason to count. */
export function receiveParameterProblem(
  step: Step,
  homes: readonly BlamedHome[],
  packet: Ipv6Packet,
): MobileNodeReason {
  const problem = parameterProblem(packet);
  if (problem === undefined) return 'parameter-problem-ignored';
  const home = homes.find((one) => quotesUpdateOf(one, problem));
  if (home === undefined) return 'parameter-problem-ignored';
  const { from, code, quoted } = problem;
  if (!home.homeAgents.refuse(step.now, from)) return 'parameter-problem-ignored';
  home.event(step, 'home-agent-without-mobility', 'warn', {
    homeAgent: from,
    careOfAddress: quoted.source,
    why: `ICMPv6 Parameter Problem, code ${code}`,
    atMs: step.now,
  });
  if (home.homeAgents.target(6)?.address !== from) home.attachment.current?.registerAgain(step);
  return 'parameter-problem-followed';
}

/** The error comes from the home agent and quotes a recent Binding Update of the home. */
function quotesUpdateOf(home: BlamedHome, { from, quoted }: ParameterProblem): boolean {
  const { configuration, stored } = home;
  const { homeAddress, registrationKey, publicKey } = configuration;
  // No Binding Update of a sealed home leaves as an IPv6 packet.
  if (publicKey !== undefined) return false;
  const { source, destination, payload } = quoted;
  if (destination !== from || !home.ownsCareOf(source)) return false;
  if ((homeAddressOption(quoted) ?? source) !== homeAddress) return false;
  const header = mobilityCodec.parse(payload);
  if (isMalformed(header) || header.message.type !== 'binding-update') return false;
  const age = (stored.sequence - header.message.sequence) & 0xffff;
  if (registrationKey === undefined) return age === 0;
  if (age >= RECENT_UPDATES) return false;
  const addresses = { careOfAddress: source, homeAddress };
  const keyOf = (spi: number) => (spi === registrationKey.spi ? registrationKey : undefined);
  return verifyMobility(payload, header.message, addresses, keyOf) === 'ok';
}
