import { describe, expect, it } from 'vitest';
import { encode } from '#base/bytes.ts';
import { addressToBytes, type Ipv6Address, ipv4, ipv6 } from '#base/ip.ts';
import { ArpOperation, arpCodec } from '#wire/ip/arp.ts';
import { HOME_ADDRESS, HOME_AGENT, OVER_IPV6, SECOND_HOME_ADDRESS } from './home-agent-scene.ts';

import {
  ASK,
  advertise,
  COMPATIBLE,
  fromLink,
  LINK_LOCAL,
  NEIGHBOUR,
  NEIGHBOUR_ADDRESS,
  OWN,
  onLink,
  registered,
  sentOnLink,
  solicit,
} from './home-link-scene.ts';

const LINK_LOCAL_OF_AGENT = ipv6('fe80::1');
const OTHER_OF_AGENT = ipv6('2001:db8:1::2');

describe('interception (RFC 6275 §10.4.1)', () => {
  it('HA_4_2_1 answers a solicitation with its own link-layer address', () => {
    const scene = registered();
    solicit(scene, HOME_ADDRESS);
    expect(sentOnLink(scene)).toEqual([
      {
        to: '2:0:0:0:0:2',
        source: HOME_AGENT,
        destination: NEIGHBOUR_ADDRESS,
        protocol: 58,
        body: {
          type: 'neighbour-advertisement',
          router: false,
          solicited: true,
          override: false,
          target: HOME_ADDRESS,
          options: [{ type: 'target-link-layer-address', address: OWN }],
        },
      },
    ]);
  });

  it('HA_4_2_3 defends against duplicate address detection, to all nodes', () => {
    const scene = registered();
    solicit(scene, HOME_ADDRESS, ipv6('::'));
    expect(sentOnLink(scene)).toMatchObject([
      { destination: 'ff02::1', body: { solicited: false, override: false, target: HOME_ADDRESS } },
    ]);
  });

  it.each<[string, readonly Ipv6Address[], Ipv6Address | undefined]>([
    ['the home agent’s address on the link', [LINK_LOCAL_OF_AGENT, HOME_AGENT], HOME_AGENT],
    ['another global address', [LINK_LOCAL_OF_AGENT, OTHER_OF_AGENT], OTHER_OF_AGENT],
    ['the link-local address', [LINK_LOCAL_OF_AGENT], LINK_LOCAL_OF_AGENT],
    ['no address, and is silent', [], undefined],
  ])('§10.4.1 advertises from %s', (_, own, source) => {
    const scene = onLink(own);
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1 }));
    scene.sent = [];
    scene.pass(1000);
    solicit(scene, HOME_ADDRESS);
    const sources = sentOnLink(scene).flatMap((one) => ('source' in one ? [one.source] : []));
    expect(new Set(sources)).toEqual(new Set(source === undefined ? [] : [source]));
  });

  it('HA_4_2_9, HA_4_2_12 defends the link-local address with the L flag only', () => {
    const compatible = registered({ sequence: 1, flags: COMPATIBLE });
    solicit(compatible, LINK_LOCAL);
    expect(compatible.sent).toHaveLength(1);
    const other = registered();
    solicit(other, LINK_LOCAL);
    expect(other.sent).toEqual([]);
  });

  it('HA_4_3_1 ignores other targets, wrong hop limits, other devices and its own packets', () => {
    const scene = registered();
    solicit(scene, SECOND_HOME_ADDRESS);
    expect(scene.sent).toEqual([]);
    solicit(scene, HOME_ADDRESS, NEIGHBOUR_ADDRESS, 64);
    expect(scene.sent).toEqual([]);
    expect(scene.counter('neighbour-packet-ignored')).toBe(2);
  });

  it('HA_4_4_1 stops at once after de-registration', () => {
    const scene = registered();
    scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0 });
    solicit(scene, HOME_ADDRESS);
    expect(scene.sent).toEqual([]);
    expect([...scene.desired.keys()]).toEqual(['home-agent']);
  });

  it('intercepts the IPv4 home address by ARP (RFC 5555 §4.5)', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, options: [ASK] }));
    scene.sent = [];
    scene.pass(1000);
    const address = ipv4('198.51.100.5');
    expect(sentOnLink(scene)[1]).toMatchObject({
      to: 'ff:ff:ff:ff:ff:ff',
      arp: {
        operation: ArpOperation.request,
        senderHardware: OWN,
        senderAddress: address,
        targetAddress: address,
      },
    });
    // The kernel would answer ARP requests for an entry of its own as well.
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)?.proxyNeighbours).toEqual([
      { device: 'home0', address: HOME_ADDRESS },
    ]);
    scene.pass(5000);
    scene.sent = [];
    const request = {
      operation: ArpOperation.request,
      senderHardware: NEIGHBOUR,
      senderAddress: ipv4('198.51.100.9'),
      targetHardware: new Uint8Array(6),
      targetAddress: address,
    };
    scene.deliver(fromLink('arp'), encode(arpCodec, request));
    expect(sentOnLink(scene)).toMatchObject([
      {
        to: '2:0:0:0:0:2',
        arp: {
          operation: ArpOperation.reply,
          senderHardware: OWN,
          senderAddress: address,
          targetHardware: NEIGHBOUR,
        },
      },
    ]);
    scene.deliver(
      fromLink('arp'),
      encode(arpCodec, { ...request, targetAddress: ipv4('198.51.100.10') }),
    );
    expect(scene.sent).toHaveLength(1);
  });
});

describe('the answer to a node at home (RFC 6275 §10.3.2)', () => {
  it('uses the link-layer address in the node’s answer to a solicitation', () => {
    const scene = registered();
    // MN → HA  Binding Update from the home address, lifetime 0
    scene.deliver(
      OVER_IPV6,
      scene.build(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, atHome: true }),
    );
    // HA → link  Neighbour Solicitation for the home address
    expect(sentOnLink(scene)).toMatchObject([
      { source: HOME_AGENT, body: { type: 'neighbour-solicitation', target: HOME_ADDRESS } },
    ]);
    // MN → HA  Neighbour Advertisement;  HA → MN  Binding Acknowledgement
    advertise(scene, HOME_ADDRESS);
    expect(scene.sent.map(({ path }) => path)).toEqual([
      { kind: 'link', device: 'home0', protocol: 'ipv6', linkAddress: NEIGHBOUR },
    ]);
    expect(scene.acknowledgement().message).toMatchObject({ status: 0, lifetimeUnits: 0 });
    scene.pass(5000);
    expect(scene.sent).toEqual([]);
  });

  it('uses the source of a solicitation before or after the Binding Update, at once', () => {
    const heard = { kind: 'link', device: 'home0', protocol: 'ipv6', linkAddress: NEIGHBOUR };
    const before = registered();
    solicit(before, HOME_AGENT, HOME_ADDRESS);
    before.sent = [];
    before.deliver(
      OVER_IPV6,
      before.build(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, atHome: true }),
    );
    expect(before.acknowledgement()).toMatchObject({
      path: heard,
      message: { status: 0, lifetimeUnits: 0 },
    });

    const after = registered();
    after.deliver(
      OVER_IPV6,
      after.build(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, atHome: true }),
    );
    solicit(after, HOME_AGENT, HOME_ADDRESS);
    expect(after.acknowledgement()).toMatchObject({
      path: heard,
      message: { status: 0, lifetimeUnits: 0 },
    });
  });

  it('uses the source of a solicitation for one answer only', () => {
    const scene = registered();
    solicit(scene, HOME_AGENT, HOME_ADDRESS);
    scene.deliver(
      OVER_IPV6,
      scene.build(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, atHome: true }),
    );
    scene.sent = [];
    scene.deliver(
      OVER_IPV6,
      scene.build(OVER_IPV6, { sequence: 3, lifetimeUnits: 0, atHome: true }),
    );
    expect(sentOnLink(scene)).toMatchObject([
      { body: { type: 'neighbour-solicitation', target: HOME_ADDRESS } },
    ]);
  });

  it('leaves through the kernel if the node does not answer the solicitation', () => {
    const scene = registered();
    scene.deliver(
      OVER_IPV6,
      scene.build(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, atHome: true }),
    );
    scene.sent = [];
    scene.pass(1000);
    expect(scene.acknowledgement().path).toEqual(OVER_IPV6);
  });

  it('accepts a link-local address with the interface identifier of the home address', () => {
    expect(addressToBytes(LINK_LOCAL).subarray(8)).toEqual(
      addressToBytes(HOME_ADDRESS).subarray(8),
    );
  });
});
