/** The homes of the tests with data in ESP, one for each algorithm, and what speaks for them. */
import { fromHex } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { type EspKey, sealEsp } from '#crypto/esp.ts';
import { HOME } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { icmp, PROTOCOL_IPV6, packet } from '#test/netns/helpers/crafted-packets.ts';
import { PROTOCOL_ESP } from '#wire/ip/esp.ts';
import { type Association, association, keyPreferences } from './associations.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const CORRESPONDENT = ipv6(ADDRESSES.correspondentIpv6);
const NODE_HOME = ipv6(HOME.virtualAddress);
const PEER = new URL('esp-data-peer.py', import.meta.url).pathname;
/** Between what a daemon has used and the end of what it has lent; inside of the window. */
export const AHEAD = 1_000;

interface Home {
  readonly address: Ipv6Address;
  readonly control: Association;
  readonly data: Association;
}

function home(number: number, address: Ipv6Address, ...[algorithm, esn]: HomeForm): Home {
  return {
    address,
    control: association(number, address, algorithm, esn),
    data: association(number + 4, address, algorithm, esn),
  };
}

type HomeForm = readonly [algorithm: Association['algorithm'], esn: boolean];

export const HOMES = [
  home(1, NODE_HOME, 'aes-gcm-16', true),
  home(2, ipv6('2001:db8:200::e2'), 'aes-cbc-hmac-sha256-128', false),
  home(3, ipv6('2001:db8:200::e3'), 'null-hmac-sha256-128', true),
] as const;
export const [FIRST, SECOND] = HOMES;
export const KEYS = keyPreferences(HOMES.flatMap(({ control, data }) => [control, data]));

/** The key of the data that one end sends. */
export function keyOf({ algorithm, esn, ...pair }: Association, direction: 'toHomeAgent'): EspKey {
  const [spi, key] = pair[direction];
  return { spi, algorithm, key: fromHex(key), extendedSequenceNumbers: esn };
}

/** An ESP packet to the home agent with this inner source. */
export function forged(key: EspKey, careOf: Ipv6Address, inner: Ipv6Address, sequence: number) {
  const payload = icmp(inner, CORRESPONDENT, {
    ...{ type: 'echo-request', identifier: 1, sequence: 1, data: new Uint8Array(8) },
  });
  const esp = sealEsp(key, sequence, new Uint8Array(8).fill(9), {
    ...{ nextHeader: PROTOCOL_IPV6, payload },
  });
  return packet(careOf, AGENT, PROTOCOL_ESP, esp);
}

type Ends = readonly [family: 4 | 6, local: string, remote: string];

/** Scapy's arguments in the place of the mobile node or the home agent. */
export function peerArguments(
  role: 'ask' | 'answer',
  used: (association: readonly [number, string]) => number,
  ...[family, local, remote]: Ends
) {
  const [send, receive] =
    role === 'ask'
      ? (['toHomeAgent', 'toMobileNode'] as const)
      : (['toMobileNode', 'toHomeAgent'] as const);
  const tunnels = HOMES.map(({ address, data }) => ({
    ...{ algorithm: data.algorithm, esn: data.esn, send: data[send], receive: data[receive] },
    ...{ source: address, destination: CORRESPONDENT, sequence: used(data[send]) + AHEAD },
  }));
  const asked = { family, local, remote, tunnels };
  return ['/usr/bin/python3', PEER, role, JSON.stringify(asked)];
}
