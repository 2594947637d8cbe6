import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromHex } from '#base/bytes.ts';
import { HOME } from '#lab/daemons.ts';
import { ADDRESSES, NETWORKS } from '#lab/networks.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect, type Fields, octetsOf } from '#test/netns/helpers/tshark.ts';

/**
 * Registrations on the wire, dissected by tshark.
 *
 *   MN --- ar6 ------- core -*- home (HA)      BU: HAO;  BA: type 2 routing header      RFC 6275
 *   §11.7.1, §9.5.4
 *   MN --- nat-prc --- core -*- home (HA)      IPv4 | UDP 4191 | IPv6 | MH              RFC 5555
 *   §4.1
 *                           (*) capture, and another one on the node's own interface
 */

const LIFETIME_UNITS = 'mip6.bu.lifetime';
const FIELDS = [
  ...[
    'ip.src',
    'ip.dst',
    'ip.checksum.status',
    'udp.srcport',
    'udp.dstport',
    'udp.checksum.status',
  ],
  ...[
    'ipv6.src',
    'ipv6.dst',
    'ipv6.opt.mipv6.home_address',
    'ipv6.routing.type',
    'ipv6.routing.mipv6.home_address',
  ],
  ...[
    'mip6.mhtype',
    'mip6.bu.seqnr',
    LIFETIME_UNITS,
    'mip6.bu.a_flag',
    'mip6.bu.h_flag',
    'mip6.bu.f_flag',
  ],
  ...['mip6.bu.k_flag', 'mip6.bu.m_flag', 'mip6.bu.p_flag', 'mip6.bu.t_flag', 'mip6.acoa.acoa'],
  ...['mip6.ba.seqnr', 'mip6.ba.lifetime', 'mip6.ba.status', 'mip6.ba.k_flag', 'mip6.ba.t_flag'],
  ...[
    'mip6.ipv4coa.addr',
    'mip6.ipv4ha.ha',
    'mip6.ipv4ha.preflen',
    'mip6.ipv4aa.sts',
    'mip6.natd.refresh_t',
  ],
  'mip6.natd.f_flag',
  ...['mip6.mnid.identifier', 'mip6.auth.subtype', 'mip6.auth.mobility_spi', 'mip6.auth.auth_data'],
  ...['_ws.malformed', '_ws.expert.message'],
];

const UPDATE = '5';
const ACKNOWLEDGEMENT = '6';

let journey: Journey;
let coreFile: string;
let nodeFile: string;
let all: readonly Fields[];

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6', 'ar4', 'nat-prc'] });
  const { lab } = journey;
  [coreFile, nodeFile] = [`${lab.logDirectory}/core.pcap`, `${lab.logDirectory}/node.pcap`];
  // Between namespaces the kernel leaves checksums to an offload that does not exist; these packets
  // have complete checksums.
  await lab.exec('mn', ['ethtool', '-K', 'eth0', 'tx', 'off']);
  await lab.exec('home', ['ethtool', '-K', 'wan', 'tx', 'off']);
  {
    await using _core = await lab.capture('core', 'to-home', coreFile);
    await using _node = await lab.capture('mn', 'eth0', nodeFile);
    await journey.start('ar6');
    await journey.moveTo('nat-prc');
    await journey.moveTo('ar4');
  }
  all = await dissect(coreFile, 'mipv6', FIELDS);
});
afterAll(async () => await journey?.close());

/** Messages of a type that passed the core, by their outermost header. */
function messages(
  type: string,
  outer: (fields: Fields) => boolean = () => true,
): readonly Fields[] {
  return all.filter((fields) => fields('mip6.mhtype') === type && outer(fields));
}

const native = (fields: Fields): boolean => fields('ip.src') === '';
const from = (address: string) => (fields: Fields) => fields('ip.src') === address;
const to = (address: string) => (fields: Fields) => fields('ip.dst').startsWith(address);

/**
 * The internet checksum of RFC 1071 over pseudo-header and message; 0xffff if the message's
 * checksum is right.
 */
function mobilityChecksum(source: string, destination: string, message: Uint8Array): number {
  const pseudo = [...groupsOf(source), ...groupsOf(destination), 0, message.length, 0, 135];
  let sum = pseudo.reduce((total, group) => total + group, 0);
  for (let at = 0; at < message.length; at += 2)
    sum += ((message[at] ?? 0) << 8) | (message[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): readonly number[] {
  const [head = '', tail] = address.split('::');
  const numbers = (text: string): readonly number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  if (tail === undefined) return numbers(head);
  const [left, right] = [numbers(head), numbers(tail)];
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}

describe('a registration on an IPv6 link', () => {
  test('sends the Binding Update from the care-of address with a Home Address option', async () => {
    const [update] = messages(UPDATE, native);
    expect(update?.('ipv6.src')).toMatch(/^2001:db8:a:/);
    expect(update?.('ipv6.dst')).toBe(ADDRESSES.homeAgentIpv6);
    expect(update?.('ipv6.opt.mipv6.home_address')).toBe(HOME.address);
    expect(update?.('ipv6.routing.type')).toBe('');
    expect(
      ['a', 'h', 'f', 'k', 'm', 'p', 't'].map((flag) => update?.(`mip6.bu.${flag}_flag`)),
    ).toEqual([...['1', '1', '0', '0', '0', '0', '0']]);
    expect(update?.('mip6.acoa.acoa')).toBe(update?.('ipv6.src'));
    expect(update?.('mip6.ipv4ha.ha')).toBe(HOME.ipv4Address);
    expect(update?.('mip6.ipv4ha.preflen')).toBe('32');
    expect(update?.('mip6.ipv4coa.addr')).toBe('');
    expect(Number(update?.(LIFETIME_UNITS))).toBeGreaterThan(0);
    expect(update?.('mip6.mnid.identifier')).toBe('mn@example.net');
    expect(update?.('mip6.auth.subtype')).toBe('1');
    expect(Number(update?.('mip6.auth.mobility_spi'))).toBe(1000);
    // tshark 4.0 leaves out the last two octets.
    expect(update?.('mip6.auth.auth_data').replaceAll(':', '')).toMatch(/^[0-9a-f]{28,32}$/);
  });

  test('gets the Binding Acknowledgement with a type 2 routing header', async () => {
    const [update] = messages(UPDATE, native);
    const [acknowledgement] = messages(ACKNOWLEDGEMENT, native);
    expect(acknowledgement?.('ipv6.src')).toBe(ADDRESSES.homeAgentIpv6);
    expect(acknowledgement?.('ipv6.dst')).toContain(update?.('ipv6.src'));
    expect(acknowledgement?.('ipv6.routing.type')).toBe('2');
    expect(acknowledgement?.('ipv6.routing.mipv6.home_address')).toBe(HOME.address);
    expect(acknowledgement?.('ipv6.opt.mipv6.home_address')).toBe('');
    expect(acknowledgement?.('mip6.ba.status')).toBe('0');
    expect(acknowledgement?.('mip6.ba.seqnr')).toBe(update?.('mip6.bu.seqnr'));
    expect(Number(acknowledgement?.('mip6.ba.lifetime'))).toBeLessThanOrEqual(
      Number(update?.(LIFETIME_UNITS)),
    );
    expect(acknowledgement?.('mip6.ba.k_flag')).toBe('0');
    expect(acknowledgement?.('mip6.ipv4aa.sts')).toBe('0');
    expect(acknowledgement?.('mip6.auth.subtype')).toBe('1');
    expect(acknowledgement?.('mip6.auth.auth_data')).not.toBe('');
  });
});

describe('a registration behind an IPv4 translator', () => {
  const outside = `198.51.100.${4 * NETWORKS['nat-prc'].index + 2}`;

  test('sends the Binding Update by UDP 4191 without Home Address option', async () => {
    const [update] = messages(UPDATE, from(outside));
    expect([update?.('ip.dst'), update?.('udp.dstport')]).toEqual([
      ADDRESSES.homeAgentIpv4,
      '4191',
    ]);
    expect([update?.('ip.checksum.status'), update?.('udp.checksum.status')]).toEqual(['1', '1']);
    expect([update?.('ipv6.src'), update?.('ipv6.dst')]).toEqual([
      HOME.address,
      ADDRESSES.homeAgentIpv6,
    ]);
    expect(update?.('ipv6.opt.mipv6.home_address')).toBe('');
    expect(update?.('mip6.ipv4coa.addr')).toMatch(/^192\.168\.3\./);
    expect(update?.('mip6.acoa.acoa')).toBe('');
    expect(update?.('mip6.ipv4ha.ha')).toBe(HOME.ipv4Address);
    expect(['a', 'h', 'f'].map((flag) => update?.(`mip6.bu.${flag}_flag`))).toEqual([
      '1',
      '1',
      '1',
    ]);
    expect(update?.('mip6.auth.subtype')).toBe('1');
  });

  test('gets the Binding Acknowledgement through the NAT with a NAT Detection option', async () => {
    const [update] = messages(UPDATE, from(outside));
    const [acknowledgement] = messages(ACKNOWLEDGEMENT, to(outside));
    expect(acknowledgement?.('ip.src')).toBe(ADDRESSES.homeAgentIpv4);
    expect([acknowledgement?.('udp.srcport'), acknowledgement?.('udp.dstport')]).toEqual([
      '4191',
      update?.('udp.srcport'),
    ]);
    expect([
      acknowledgement?.('ip.checksum.status'),
      acknowledgement?.('udp.checksum.status'),
    ]).toEqual(['1', '1']);
    expect(acknowledgement?.('ipv6.src')).toBe(ADDRESSES.homeAgentIpv6);
    expect(acknowledgement?.('ipv6.dst')).toBe(HOME.address);
    expect(acknowledgement?.('mip6.ba.seqnr')).toBe(update?.('mip6.bu.seqnr'));
    expect(acknowledgement?.('mip6.ba.status')).toBe('0');
    expect(acknowledgement?.('mip6.natd.refresh_t')).toBe('110');
    expect(acknowledgement?.('mip6.ipv4aa.sts')).toBe('0');
    expect(acknowledgement?.('mip6.auth.auth_data')).not.toBe('');
  });

  test('uses UDP without keepalives where there is no NAT and the node requires UDP', async () => {
    const [acknowledgement] = messages(ACKNOWLEDGEMENT, to('203.0.113.'));
    expect(acknowledgement?.('mip6.natd.refresh_t')).toBe(String(0xffff_ffff));
    expect(acknowledgement?.('mip6.natd.f_flag')).toBe('1');
    expect(await journey.home()).toMatchObject({ phase: 'registered', encapsulation: 'udp' });
  });
});

describe('all captured messages', () => {
  test('carry sequence numbers that increase by one', async () => {
    const numbers = messages(UPDATE).map((update) => Number(update('mip6.bu.seqnr')));
    expect(numbers.length).toBeGreaterThanOrEqual(3);
    const [first = 0] = numbers;
    expect(numbers).toEqual(numbers.map((_, at) => (first + at) % 0x10000));
  });

  test('decode without a malformed mark or an expert warning', async () => {
    for (const file of [coreFile, nodeFile]) {
      const marks = await dissect(file, 'mipv6', [
        'frame.number',
        '_ws.malformed',
        '_ws.expert.message',
      ]);
      expect(marks.length).toBeGreaterThanOrEqual(6);
      expect(
        marks
          .map((one) => one('_ws.malformed') + one('_ws.expert.message'))
          .filter((mark) => mark !== ''),
      ).toEqual([]);
    }
  });

  test('carry valid Mobility Header checksums over the home address', async () => {
    const octets = (await octetsOf(coreFile, 'mipv6', 'mipv6')).map((text) => fromHex(text));
    expect(octets).toHaveLength(all.length);
    const sums = all.map((fields, at) => {
      const agent = ADDRESSES.homeAgentIpv6;
      const ends = fields('mip6.mhtype') === UPDATE ? [HOME.address, agent] : [agent, HOME.address];
      return mobilityChecksum(ends[0] ?? '', ends[1] ?? '', octets[at] ?? new Uint8Array());
    });
    expect(sums.map((sum) => sum.toString(16))).toEqual(sums.map(() => 'ffff'));
  });

  test('cause no Parameter Problem or unreachable error of either host', async () => {
    for (const file of [coreFile, nodeFile]) {
      const errors = await dissect(
        file,
        'icmpv6.type == 4 || icmpv6.type == 1 || icmp.type == 3 || icmp.type == 12',
        ['frame.number', 'ipv6.src', 'ip.src', 'icmpv6.code', 'icmp.code'],
      );
      expect(
        errors.map((one) => [one('ipv6.src'), one('ip.src'), one('icmpv6.code'), one('icmp.code')]),
      ).toEqual([]);
    }
  });
});
