/**
 * The home agent's answers on behalf of mobile nodes that are away: to a Neighbour Solicitation and
 * to an ARP request (proxy Neighbour Discovery, proxy ARP).
 *
 * RFC 6275 §10.4.1  Neighbour Advertisement on behalf of the mobile node
 * RFC 5555 §4.5     the same by ARP
 */
import type { Step } from '#engine/contract/engine.ts';
import type { InterceptedAddresses } from './intercepted-addresses.ts';
import type { NeighbourAnswerLimit } from './neighbour-answer-limit.ts';
import {
  advertisement,
  arpReply,
  arpRequest,
  type LinkEnd,
  linkSource,
  type NeighbourPacket,
} from './neighbour-packets.ts';

type AnswerOutcome = 'address-defended' | 'neighbour-packet-ignored' | 'defence-limited';

/** What the home agent answers for, and how often. */
export interface Defence {
  readonly intercepted: InterceptedAddresses;
  readonly limit: NeighbourAnswerLimit;
}

/** Answers a solicitation whose target is intercepted. */
export function answerSolicitation(
  { now, out }: Step,
  end: LinkEnd,
  { intercepted, limit }: Defence,
  { source, body }: NeighbourPacket,
  senderLinkAddress: Uint8Array,
): AnswerOutcome {
  const node = intercepted.holder(body.target);
  const from = node && linkSource(end, node.homeAgentAddress);
  if (node === undefined || from === undefined) return 'neighbour-packet-ignored';
  if (!limit.takeSolicitation(now, source, body.target, senderLinkAddress))
    return 'defence-limited';
  const answer = { to: source, linkAddress: senderLinkAddress };
  out.push(advertisement(from, node.mobileRouter, body.target, answer));
  return 'address-defended';
}

/** Answers an ARP request for an intercepted address. */
export function answerArp(
  { now, out }: Step,
  { device, linkAddress }: LinkEnd,
  { intercepted, limit }: Defence,
  bytes: Uint8Array,
): AnswerOutcome {
  const request = arpRequest(bytes);
  if (request === undefined || linkAddress === undefined) return 'neighbour-packet-ignored';
  if (intercepted.holder(request.targetAddress) === undefined) return 'neighbour-packet-ignored';
  if (!limit.takeRequest(now, request.senderHardware)) return 'defence-limited';
  out.push(arpReply(device, linkAddress, request));
  return 'address-defended';
}
