import { describe, expect, it } from 'vitest';
import { encode, isMalformed } from '#base/bytes.ts';
import {
  ALL_NODES,
  addressToBytes,
  type Ipv6Address,
  ipv4,
  ipv6,
  solicitedNodeMulticast,
  UNSPECIFIED_V4,
} from '#base/ip.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { ArpOperation, arpCodec } from '#wire/ip/arp.ts';
import { encodeIcmpv6, icmpv6Codec } from '#wire/ip/icmpv6.ts';
import type { Icmpv6Body } from '#wire/ip/icmpv6-messages.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import {
  HOME_ADDRESS,
  HOME_AGENT,
  OVER_IPV6,
  prefix,
  Scene,
  SECOND_HOME_ADDRESS,
} from './home-agent-scene.ts';

const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
const NEIGHBOUR = Uint8Array.of(2, 0, 0, 0, 0, 2);
const NEIGHBOUR_ADDRESS = ipv6('2001:db8:1::2');
const LINK_LOCAL = ipv6('fe80::100');
const ASK = {
  type: 'ipv4-home-address',
  prefixLength: 32,
  requestPrefix: false,
  address: UNSPECIFIED_V4,
} as const;
const COMPATIBLE = { linkLocalCompatibility: true };

function onLink(): Scene {
  const scene = new Scene({ homeLink: 'home0' });
  const network = { index: 2, running: true, epoch: 1, mtu: 1500, addresses: [], routers: [] };
  scene.input({ kind: 'network', interfaces: [{ ...network, name: 'home0', linkAddress: OWN }] });
  return scene;
}

function fromLink(protocol: 'ipv6' | 'arp' = 'ipv6', linkAddress = NEIGHBOUR): PacketPath {
  return { kind: 'link', device: 'home0', protocol, linkAddress };
}

function neighbour(
  scene: Scene,
  body: Icmpv6Body,
  source: Ipv6Address,
  destination: Ipv6Address,
  hopLimit = 255,
) {
  const payload = encodeIcmpv6(body, 0, source, destination);
  const header = {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit,
    source,
    destination,
    extensions: [],
    protocol: 58,
  };
  scene.sent = [];
  scene.deliver(fromLink(), encode(ipv6Codec, { ...header, payload }));
}

function solicit(
  scene: Scene,
  target: Ipv6Address,
  source: Ipv6Address = NEIGHBOUR_ADDRESS,
  hopLimit = 255,
) {
  const options =
    source === '::' ? [] : [{ type: 'source-link-layer-address', address: NEIGHBOUR } as const];
  neighbour(
    scene,
    { type: 'neighbour-solicitation', target, options },
    source,
    solicitedNodeMulticast(target),
    hopLimit,
  );
}

function advertise(scene: Scene, target: Ipv6Address) {
  const options = [{ type: 'target-link-layer-address', address: NEIGHBOUR } as const];
  const flags = { router: false, solicited: false, override: true };
  neighbour(
    scene,
    { type: 'neighbour-advertisement', ...flags, target, options },
    target,
    ALL_NODES,
  );
}

/** What was sent on the link, readable. */
function said(scene: Scene) {
  return scene.sent.map(({ path, packet }) => {
    if (path.kind !== 'link') return { path };
    const to = [...path.linkAddress].map((octet) => octet.toString(16)).join(':');
    if (path.protocol === 'arp') return { to, arp: arpCodec.parse(packet) };
    const parsed = ipv6Codec.parse(packet);
    if (isMalformed(parsed)) return { to, malformed: parsed.reason };
    const { source, destination, protocol } = parsed;
    const message = icmpv6Codec.parse(parsed.payload);
    return {
      to,
      source,
      destination,
      protocol,
      body: isMalformed(message) ? undefined : message.body,
    };
  });
}

/** Registered after duplicate address detection; announcements are over. */
function registered(options: Parameters<Scene['build']>[1] = { sequence: 1 }): Scene {
  const scene = onLink();
  scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, options));
  scene.pass(5000);
  scene.sent = [];
  return scene;
}

describe('duplicate address detection on behalf (RFC 6275 §10.3.1)', () => {
  it('HA_2_3_1 probes, waits for RetransTimer, then acknowledges and takes over', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1 }));
    // HA → link  Neighbour Solicitation from :: for the home address
    expect(said(scene)).toEqual([
      {
        to: '33:33:ff:0:1:0',
        source: '::',
        destination: 'ff02::1:ff00:100',
        protocol: 58,
        body: { type: 'neighbour-solicitation', target: HOME_ADDRESS, options: [] },
      },
    ]);
    expect(scene.desired.has(`binding/${HOME_ADDRESS}`)).toBe(false);
    scene.sent = [];
    scene.pass(999);
    expect(scene.sent).toEqual([]);
    scene.pass(1);
    // HA → link  unsolicited Neighbour Advertisement, override;  HA → MN  Binding Acknowledgement
    expect(scene.sent.map(({ path }) => path.kind)).toEqual(['link', 'ipv6']);
    expect(said(scene)[0]).toMatchObject({
      source: HOME_AGENT,
      destination: 'ff02::1',
      body: { router: false, solicited: false, override: true, target: HOME_ADDRESS },
    });
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)).toEqual({
      planeRoutes: [{ prefix: prefix(`${HOME_ADDRESS}/128`), tunnel: 1 }],
      routes: [{ destination: prefix(`${HOME_ADDRESS}/128`), table: 254, device: '%tun' }],
      proxyNeighbours: [{ device: 'home0', address: HOME_ADDRESS }],
    });
    // HA_4_1_1 three advertisements in all
    scene.sent = [];
    scene.pass(10_000);
    expect(scene.sent).toHaveLength(2);
  });

  it('HA_2_3_2 with the L flag for the link-local address too', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, flags: COMPATIBLE }));
    expect(said(scene).map(({ body }) => body)).toMatchObject([
      { target: HOME_ADDRESS },
      { target: LINK_LOCAL },
    ]);
    scene.pass(1000);
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)?.proxyNeighbours).toHaveLength(2);
  });

  it.each<[string, (scene: Scene) => void, object]>([
    [
      'HA_2_4_1 an advertisement for the home address',
      (scene) => advertise(scene, HOME_ADDRESS),
      {},
    ],
    [
      'HA_2_4_3 an advertisement for the link-local address, L set',
      (scene) => advertise(scene, LINK_LOCAL),
      COMPATIBLE,
    ],
    ['a probe of somebody else', (scene) => solicit(scene, HOME_ADDRESS, ipv6('::')), {}],
    [
      'HA_2_4_4 without the A flag',
      (scene) => advertise(scene, HOME_ADDRESS),
      { acknowledge: false },
    ],
  ])('%s: 134', (_, object, flags) => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, flags }));
    scene.pass(500);
    object(scene);
    expect(scene.acknowledgement().message).toMatchObject({ status: 134, sequence: 1 });
    scene.pass(10_000);
    expect([scene.sent, [...scene.desired.keys()], scene.ask('status').value]).toMatchObject([
      [],
      ['home-agent'],
      { pending: 0 },
    ]);
  });

  it('HA_2_3_3 an advertisement for the link-local address does not matter without the L flag', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1 }));
    advertise(scene, LINK_LOCAL);
    scene.pass(1000);
    expect(scene.desired.has(`binding/${HOME_ADDRESS}`)).toBe(true);
  });

  it('absorbs retransmissions meanwhile and answers the newest', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1 }));
    scene.pass(400);
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 2 }));
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1 }));
    expect(scene.counter('registration-pending')).toBe(2);
    scene.sent = [];
    scene.pass(600);
    scene.sent = scene.sent.filter(({ path }) => path.kind === 'ipv6');
    expect(scene.acknowledgement().message).toMatchObject({ status: 0, sequence: 2 });
  });

  it('a node that goes home meanwhile is not registered after all', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1 }));
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 2, lifetimeUnits: 0 }));
    scene.pass(10_000);
    expect([...scene.desired.keys()]).toEqual(['home-agent']);
  });

  it('is not repeated for a known binding', () => {
    const scene = registered();
    expect(scene.update(OVER_IPV6, { sequence: 2 }).message.status).toBe(0);
  });
});

describe('interception (RFC 6275 §10.4.1)', () => {
  it('HA_4_2_1 answers a solicitation with its own link-layer address', () => {
    const scene = registered();
    solicit(scene, HOME_ADDRESS);
    expect(said(scene)).toEqual([
      {
        to: '2:0:0:0:0:2',
        source: HOME_AGENT,
        destination: NEIGHBOUR_ADDRESS,
        protocol: 58,
        body: {
          type: 'neighbour-advertisement',
          router: false,
          solicited: true,
          override: true,
          target: HOME_ADDRESS,
          options: [{ type: 'target-link-layer-address', address: OWN }],
        },
      },
    ]);
  });

  it('HA_4_2_3 defends against duplicate address detection, to all nodes', () => {
    const scene = registered();
    solicit(scene, HOME_ADDRESS, ipv6('::'));
    expect(said(scene)).toMatchObject([
      { destination: 'ff02::1', body: { solicited: false, target: HOME_ADDRESS } },
    ]);
  });

  it('HA_4_2_9, HA_4_2_12 the link-local address with the L flag only', () => {
    const compatible = registered({ sequence: 1, flags: COMPATIBLE });
    solicit(compatible, LINK_LOCAL);
    expect(compatible.sent).toHaveLength(1);
    const other = registered();
    solicit(other, LINK_LOCAL);
    expect(other.sent).toEqual([]);
  });

  it('HA_4_3_1 nobody else, no wrong hop limit, no other device, not what it sent itself', () => {
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

  it('takes over the IPv4 home address by ARP (RFC 5555 §4.5)', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, options: [ASK] }));
    scene.sent = [];
    scene.pass(1000);
    const address = ipv4('198.51.100.5');
    expect(said(scene)[1]).toMatchObject({
      to: 'ff:ff:ff:ff:ff:ff',
      arp: {
        operation: ArpOperation.request,
        senderHardware: OWN,
        senderAddress: address,
        targetAddress: address,
      },
    });
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)?.proxyNeighbours?.[1]).toEqual({
      device: 'home0',
      address,
    });
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
    expect(said(scene)).toMatchObject([
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

describe('the node is home again (RFC 6275 §10.3.2)', () => {
  it('asks for its link-layer address and answers there, whatever the routes say', () => {
    const scene = registered();
    // MN → HA  Binding Update from the home address, lifetime 0
    scene.deliver(
      OVER_IPV6,
      scene.build(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, atHome: true }),
    );
    // HA → link  Neighbour Solicitation for the home address
    expect(said(scene)).toMatchObject([
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

  it('answers at once where the node asked from, its solicitation before or after the Binding Update', () => {
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

  it('takes a link-layer address that it heard for one answer only', () => {
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
    expect(said(scene)).toMatchObject([
      { body: { type: 'neighbour-solicitation', target: HOME_ADDRESS } },
    ]);
  });

  it('leaves it to the kernel when nobody answers', () => {
    const scene = registered();
    scene.deliver(
      OVER_IPV6,
      scene.build(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, atHome: true }),
    );
    scene.sent = [];
    scene.pass(1000);
    expect(scene.acknowledgement().path).toEqual(OVER_IPV6);
  });

  it('the address bytes of this file are what they seem', () => {
    expect(addressToBytes(LINK_LOCAL).subarray(8)).toEqual(
      addressToBytes(HOME_ADDRESS).subarray(8),
    );
  });
});
