/**
 * A Binding Update on its way to the home agent.
 *
 * RFC 6275 §11.5.5;  docs/reference/sealed-mobile-ipv6.md §4
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { PacketPath, UdpPath } from '#engine/contract/packet-path.ts';

/** On the home link: straight to the home agent's link-layer address. */
type LinkPath = Extract<PacketPath, { readonly kind: 'link' }>;

/** A Binding Update to a home agent that has a public key. */
export interface SealedUpdate {
  readonly packet: Uint8Array;
  readonly udpPath: UdpPath;
  readonly link: LinkPath | undefined;
}

export interface SealedSessions {
  /** Sends a Binding Update: sealed, or in a Tunnel Request while there are no keys. */
  send(step: Step, homeAddress: Ipv6Address, update: SealedUpdate): void;
}

interface SendingHome {
  readonly node: { readonly sealed: SealedSessions | undefined };
  readonly homeAddress: Ipv6Address;
}

export function sendUpdate(
  step: Step,
  { node, homeAddress }: SendingHome,
  update: {
    readonly path: PacketPath;
    readonly packet: Uint8Array;
    readonly link: LinkPath | undefined;
  },
): void {
  const { path, packet, link } = update;
  if (path.kind === 'datagram')
    node.sealed?.send(step, homeAddress, { packet, udpPath: path, link });
  else step.out.push({ kind: 'send', path: link ?? path, packet });
}
