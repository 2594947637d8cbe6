import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { hex, isMalformed } from '#base/bytes.ts';
import { type IpAddress, ipv4, ipv6 } from '#base/ip.ts';
import type { UnknownEndpointInput } from '#engine/contract/input.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { mobilityChecksumValid } from '#wire/mobility/header.ts';
import {
  ALICE,
  CARE_OF,
  HOME_ADDRESS,
  HOME_AGENT,
  HOME_AGENT_V4,
  OVER_IPV6,
  prefix,
  Scene,
  SECOND_HOME_ADDRESS,
  udpPath,
} from './home-agent-scene.ts';

const NAT = ipv4('203.0.113.9');

function overUdp(innerSource: IpAddress, remotePort = 40_000): UnknownEndpointInput {
  return {
    ...{ kind: 'unknown-endpoint', carrier: 'udp', local: HOME_AGENT_V4, localPort: 4191 },
    ...{ remote: NAT, remotePort, innerSource },
  };
}

function overIp(
  innerSource: IpAddress,
  local: IpAddress = HOME_AGENT,
  remote: IpAddress = CARE_OF,
): UnknownEndpointInput {
  return {
    ...{ kind: 'unknown-endpoint', carrier: 'ip', localPort: 0, remotePort: 0 },
    ...{ local, remote, innerSource },
  };
}

/** The only packet in answer to `notice`; undefined without one. */
function answerTo(scene: Scene, notice: UnknownEndpointInput) {
  scene.sent = [];
  scene.input(notice);
  expect(scene.sent.length).toBeLessThanOrEqual(1);
  const [sent] = scene.sent;
  if (sent === undefined) return undefined;
  const packet = ipv6Codec.parse(sent.packet);
  assert(!isMalformed(packet), 'IPv6');
  const { source, destination, payload } = packet;
  expect(mobilityChecksumValid(source, destination, payload)).toBe(true);
  // RFC 6275 §6.1.9: no next header, 24 octets, type 7, status 1, then the home address.
  expect(hex(payload.subarray(0, 4))).toBe('3b020700');
  expect(hex(payload.subarray(6, 8))).toBe('0100');
  expect(sent.packet).toHaveLength(64);
  return { path: sent.path, source, destination, homeAddress: hex(payload.subarray(8, 24)) };
}

const HOME_ADDRESS_OCTETS = '20010db8000100000000000000000100';

describe('data from an endpoint without binding', () => {
  it('gets an answer in UDP at the endpoint, with the inner source as home address', () => {
    const scene = new Scene();
    expect(answerTo(scene, overUdp(HOME_ADDRESS))).toEqual({
      path: udpPath(NAT, 40_000),
      source: HOME_AGENT,
      destination: HOME_ADDRESS,
      homeAddress: HOME_ADDRESS_OCTETS,
    });
    expect(scene.counter('unknown-endpoint-answered')).toBe(1);
  });

  it('gets a plain packet as answer at an IPv6 care-of address', () => {
    const second = ipv6('2001:db8:1::2');
    const scene = new Scene({ addresses: [HOME_AGENT, second] });
    expect(answerTo(scene, overIp(HOME_ADDRESS, second))).toEqual({
      path: OVER_IPV6,
      source: second,
      destination: CARE_OF,
      homeAddress: HOME_ADDRESS_OCTETS,
    });
  });

  it('gets an answer in UDP at an IPv4 care-of address whose tunnel has no UDP', () => {
    const path = answerTo(new Scene(), overIp(HOME_ADDRESS, HOME_AGENT_V4, NAT))?.path;
    expect(path).toEqual(udpPath(NAT, 4191));
  });

  it('names the home address of the node that has the IPv4 home address or the prefix', () => {
    const mobileNetworkPrefixes = [prefix('2001:db8:5::/64'), prefix('198.51.100.64/28')];
    const scene = new Scene({ mobileNodes: [{ ...ALICE, mobileNetworkPrefixes }] });
    for (const source of ['198.51.100.5', '198.51.100.70'])
      expect(answerTo(scene, overUdp(ipv4(source)))?.homeAddress).toBe(HOME_ADDRESS_OCTETS);
    expect(answerTo(scene, overUdp(ipv6('2001:db8:5::7')))?.destination).toBe(HOME_ADDRESS);
    expect(answerTo(scene, overUdp(SECOND_HOME_ADDRESS))?.destination).toBe(SECOND_HOME_ADDRESS);
  });

  it('names the IPv4-mapped address where the pool’s address has no owner', () => {
    const scene = new Scene({ ipv4Pool: prefix('198.51.100.128/25') });
    expect(answerTo(scene, overUdp(ipv4('198.51.100.200')))).toMatchObject({
      destination: '::ffff:198.51.100.200',
      homeAddress: '00000000000000000000ffffc63364c8',
    });
  });

  it('gets no answer if no node may have the inner source, or the endpoint is no node’s', () => {
    const scene = new Scene();
    for (const notice of [
      overUdp(ipv6('2001:db8:1::999')),
      overUdp(ipv6('2001:db8:77::1')),
      overUdp(ipv4('198.51.100.6')),
      overIp(HOME_ADDRESS, HOME_AGENT, ipv6('ff02::1')),
      overIp(HOME_ADDRESS, HOME_AGENT, ipv6('::')),
      { ...overUdp(HOME_ADDRESS), remote: ipv4('224.0.0.1') },
    ])
      expect(answerTo(scene, notice)).toBeUndefined();
    expect(scene.counter('unknown-endpoint-ignored')).toBe(6);
  });

  it('answers any address of the home prefix where registrations are not authenticated', () => {
    const scene = new Scene({ insecure: true, mobileNodes: [] });
    expect(answerTo(scene, overUdp(ipv6('2001:db8:1::999')))).toBeDefined();
    expect(answerTo(scene, overUdp(ipv6('2001:db8:77::1')))).toBeUndefined();
  });

  it('changes nothing', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    const before = scene.snapshot();
    answerTo(scene, overUdp(HOME_ADDRESS));
    expect(scene.snapshot()).toEqual(before);
  });
});

describe('data of a node whose NAT gave it another port', () => {
  it('gets an answer at the new port, and no more once the node is registered there', () => {
    const scene = new Scene();
    const update = (port: number, sequence: number) =>
      scene.update(udpPath(NAT, port), { sequence, ipv4CareOf: ipv4('192.168.3.7') });
    update(40_000, 1);
    expect(answerTo(scene, overUdp(HOME_ADDRESS, 40_001))?.path).toEqual(udpPath(NAT, 40_001));
    update(40_001, 2);
    expect(answerTo(scene, overUdp(HOME_ADDRESS, 40_001))).toBeUndefined();
    expect(scene.counter('unknown-endpoint-registered')).toBe(1);
  });
});
