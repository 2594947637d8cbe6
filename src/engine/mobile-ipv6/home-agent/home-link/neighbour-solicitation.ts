/**
 * The home agent's answers on behalf of mobile nodes that are away: to a Neighbour Solicitation and
 * to an ARP request (proxy Neighbour Discovery, proxy ARP).
 *
 * RFC 6275 §10.4.1  Neighbour Advertisement on behalf of the mobile node
 * RFC 5555 §4.5     the same by ARP
 */
import type { Step } from '#engine/contract/engine.ts';
import type { InterceptedAddresses } from './intercepted-addresses.ts';
import {
  advertisement,
  arpReply,
  arpRequest,
  type LinkEnd,
  linkSource,
  type NeighbourPacket,
} from './neighbour-packets.ts';

/** True when the target is intercepted, so that the solicitation is answered. */
export function answerSolicitation(
  { out }: Step,
  end: LinkEnd,
  intercepted: InterceptedAddresses,
  { source, body }: NeighbourPacket,
  senderLinkAddress: Uint8Array,
): boolean {
  const node = intercepted.holder(body.target);
  if (node === undefined) return false;
  const from = linkSource(end, node.homeAgentAddress);
  if (from === undefined) return false;
  const answer = { to: source, linkAddress: senderLinkAddress };
  out.push(advertisement(from, node.mobileRouter, body.target, answer));
  return true;
}

/** True when the packet is an ARP request for an intercepted address, which is answered. */
export function answerArp(
  { out }: Step,
  { device, linkAddress }: LinkEnd,
  intercepted: InterceptedAddresses,
  bytes: Uint8Array,
): boolean {
  const request = arpRequest(bytes);
  if (request === undefined || linkAddress === undefined) return false;
  if (intercepted.holder(request.targetAddress) === undefined) return false;
  out.push(arpReply(device, linkAddress, request));
  return true;
}
