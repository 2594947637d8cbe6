import { NatKind } from './network.ts';

/**
 * nftables rules of the kinds of network address translator (RFC 4787 §4, §5; RFC 3489's names in
 * brackets).
 *
 * Linux's `masquerade` keeps the source port if it is free, and maps a client's endpoint to the
 * same external port for every destination. It accepts only packets from an address and port to
 * which the client has sent. This is "port-restricted". The other kinds are derived from it:
 *  - symmetric: `fully-random` makes conntrack choose a new port for each destination;
 *  - full cone and address-dependent: a chain after the translation records `external port → client
 *    endpoint` (and the addresses to which the endpoint has sent); packets from outside that are
 *    unknown to conntrack are translated by that map;
 *  - address-dependent mapping: the first port towards an address is random and recorded with that
 *    address; later mappings towards the address reuse it.
 *
 * A packet from outside that belongs to no mapping is dropped silently in `input`. It must not be
 * accepted, nor refused with an ICMP error, because that would create a conntrack entry that takes
 * the external port from the client. The kinds differ for UDP only; TCP and ICMP are always
 * port-restricted. Two clients that use the same port towards different destinations share an
 * external port, as netfilter does; the lab has one client per NAT.
 */
export function natRules(kind: NatKind): string {
  const inbound = INBOUND[kind] ?? '';
  const outbound = (OUTBOUND[kind] ?? ['masquerade'])
    .map((rule) => `    oifname "wan" ${rule}`)
    .join('\n');
  return `table ip nat {
  map client { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 5m; }
  map towards {
    type ipv4_addr . inet_service . ipv4_addr : inet_service; flags dynamic,timeout; timeout 5m;
  }
  set contacted { type inet_service . ipv4_addr; flags dynamic,timeout; timeout 5m; }
  chain translate_inbound {
    type nat hook prerouting priority dstnat
${inbound}
  }
  chain translate_outbound {
    type nat hook postrouting priority srcnat
${outbound}
  }
  chain note_mapping {
    type filter hook postrouting priority srcnat + 10
    oifname "wan" meta l4proto udp ct direction original \\
      update @client { udp sport : ct original ip saddr . ct original proto-src }
    oifname "wan" meta l4proto udp ct direction reply \\
      update @client { udp sport : ct reply ip saddr . ct reply proto-src }
    oifname "wan" meta l4proto udp update @contacted { udp sport . ip daddr }
    oifname "wan" meta l4proto udp ct direction original update @towards { \\
      ct original ip saddr . ct original proto-src . ip daddr : udp sport }
  }
  chain from_outside {
    type filter hook input priority filter
    iifname "wan" ct state established,related accept
    iifname "wan" icmp type echo-request accept
    iifname "wan" counter drop
  }
  chain through {
    type filter hook forward priority filter
    iifname "wan" ct state established,related accept
    iifname "wan" ct status dnat accept
    iifname "wan" counter drop
  }
}
`;
}

const OUTBOUND: Readonly<Partial<Record<NatKind, readonly string[]>>> = {
  [NatKind.symmetric]: ['masquerade fully-random'],
  [NatKind.addressDependentMapping]: [
    'meta l4proto udp masquerade to :ip saddr . udp sport . ip daddr map @towards',
    'masquerade fully-random',
  ],
};

const INBOUND: Readonly<Partial<Record<NatKind, string>>> = {
  [NatKind.endpointIndependent]:
    '    iifname "wan" meta l4proto udp dnat ip to udp dport map @client',
  [NatKind.addressDependent]:
    '    iifname "wan" udp dport . ip saddr @contacted meta l4proto udp dnat ip to udp dport ' +
    'map @client',
};

/** Commands for a shell in the NAT's namespace that delete every mapping, as a power cut does. */
export const FORGET_MAPPINGS =
  'nft flush map ip nat client; nft flush map ip nat towards; nft flush set ip nat ' +
  'contacted; conntrack -F';
