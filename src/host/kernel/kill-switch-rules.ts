/**
 * The rules of the kill switch, in nft's language.
 *
 * What may leave, besides what enters the tunnel device:
 *
 * - RFC 4861  Neighbour Discovery (hop limit 255);  RFC 3810  reports of multicast listeners: a
 *             switch that snoops delivers no solicitations without them
 * - RFC 2131, RFC 8415  DHCP. ARP is no IP packet, and passes.
 * - packets with the daemon's mark to a home agent, and its name queries; with NTMobile to any
 *   host: sealed datagrams to peers, and TLS to the account server
 *
 * Another table that accepts a packet does not save it from this one: each table decides for
 * itself, and one that drops is enough.
 */
import { formatPrefix, type IpAddress, isIpv6, type Prefix } from '#base/ip.ts';
import type { DesiredKillSwitch, DesiredLocalNetwork } from '#engine/contract/packet-filters.ts';

const NEIGHBOUR_DISCOVERY = 'nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert';
const LISTENER_REPORTS = 'mld-listener-report, mld-listener-done, mld2-listener-report';
const FAMILIES = [
  { digit: 4, word: 'ip', type: 'ipv4_addr' },
  { digit: 6, word: 'ip6', type: 'ipv6_addr' },
] as const;

interface KillSwitchRules {
  /** The table exists and is empty, in family inet. */
  readonly table: string;
  /** The TUN device. */
  readonly device: string;
  readonly desired: DesiredKillSwitch;
  /** Networks whose hosts this host may reach directly, but not for names. */
  readonly localNetworks: readonly DesiredLocalNetwork[];
  /** Marked packets may go to any host: for a table that does not follow the home agents. */
  readonly anyHomeAgent?: boolean;
}

/** Commands that fill the table. */
export function killSwitchRules(rules: KillSwitchRules): readonly string[] {
  const { table, desired } = rules;
  const { exclude, include } = desired.splitTunnel;
  const chain = (name: string, rule: string): string => `add rule inet ${table} ${name} ${rule}`;
  return [
    ...addressSet(table, 'home_agents', desired.homeAgents.map(hostPrefix)),
    ...addressSet(table, 'excluded', exclude),
    ...addressSet(table, 'included', include ?? []),
    `add chain inet ${table} local`,
    ...localNetworkRules(table, rules.localNetworks),
    `add chain inet ${table} tunnel`,
    `add chain inet ${table} refused`,
    ...hookedChain(table, 'output'),
    ...hookedChain(table, 'forward'),
    ...tunnelRules(rules).map((rule) => chain('tunnel', rule)),
    ...refusals(desired).map((rule) => chain('refused', rule)),
    ...keepAliveRules(rules).map((rule) => chain('output', rule)),
    // What the host forwards, of containers or of its own networks, is not local to it.
    ...['jump tunnel', 'jump local', 'jump refused'].map((rule) => chain('output', rule)),
    ...['jump tunnel', 'jump refused'].map((rule) => chain('forward', rule)),
  ];
}

/** Replaces the rules of local networks. */
export function localNetworkRules(
  table: string,
  networks: readonly DesiredLocalNetwork[],
): readonly string[] {
  return [
    `flush chain inet ${table} local`,
    ...networks.map(({ device, prefix }) => {
      const word = isIpv6(prefix.address) ? 'ip6' : 'ip';
      const match = `oifname "${device}" ${word} daddr ${formatPrefix(prefix)}`;
      return `add rule inet ${table} local ${match} accept`;
    }),
  ];
}

function hookedChain(table: string, hook: 'output' | 'forward'): readonly string[] {
  return [
    `add chain inet ${table} ${hook} { type filter hook ${hook} priority filter; policy accept; }`,
  ];
}

function addressSet(table: string, name: string, prefixes: readonly Prefix[]): readonly string[] {
  return FAMILIES.flatMap(({ digit, type }) => [
    `add set inet ${table} ${name}${digit} { type ${type}; flags interval; auto-merge; }`,
    ...elements(table, name, digit, prefixes),
  ]);
}

function elements(
  table: string,
  name: string,
  digit: 4 | 6,
  prefixes: readonly Prefix[],
): readonly string[] {
  const own = prefixes.filter(({ address }) => isIpv6(address) === (digit === 6));
  if (own.length === 0) return [];
  return [`add element inet ${table} ${name}${digit} { ${own.map(formatPrefix).join(', ')} }`];
}

function hostPrefix(address: IpAddress): Prefix {
  return { address, length: isIpv6(address) ? 128 : 32 };
}

/** Of both hooks. */
function tunnelRules({ device, desired }: KillSwitchRules): readonly string[] {
  const devices = [device, ...desired.innerDevices, ...desired.splitTunnel.interfaces];
  return [
    ...devices.map((name) => `oifname "${name}" accept`),
    ...FAMILIES.map(({ digit, word }) => `${word} daddr @excluded${digit} accept`),
    // A name server of the link would learn every name.
    'meta l4proto { tcp, udp } th dport { 53, 853 } goto refused',
  ];
}

function keepAliveRules({ desired, anyHomeAgent }: KillSwitchRules): readonly string[] {
  const { mark, lookups } = desired;
  const marked = `meta mark ${mark}`;
  return [
    'oifname "lo" accept',
    ...(anyHomeAgent === true || desired.anywhere === true
      ? [`${marked} accept`]
      : FAMILIES.map(({ digit, word }) => `${marked} ${word} daddr @home_agents${digit} accept`)),
    ...(lookups ? [`${marked} meta l4proto { tcp, udp } th dport 53 accept`] : []),
    `ip6 hoplimit 255 icmpv6 type { ${NEIGHBOUR_DISCOVERY} } accept`,
    `ip6 hoplimit 1 icmpv6 type { ${LISTENER_REPORTS} } accept`,
    'udp sport 68 udp dport 67 accept',
    'ip6 daddr { fe80::/10, ff02::1:2 } udp sport 546 udp dport 547 accept',
  ];
}

/** An ICMP error tells the sender at once that the packet does not leave. */
function refusals({ splitTunnel: { include } }: DesiredKillSwitch): readonly string[] {
  const refuse = 'counter reject with icmpx type admin-prohibited';
  if (include === undefined) return [refuse];
  return FAMILIES.map(({ digit, word }) => `${word} daddr @included${digit} ${refuse}`);
}
