import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import { HOME_ADDRESS, HOME_AGENT, OVER_IPV6, prefix, type Scene } from './home-agent-scene.ts';

import {
  advertise,
  COMPATIBLE,
  LINK_LOCAL,
  onLink,
  registered,
  sentOnLink,
  solicit,
} from './home-link-scene.ts';

describe('duplicate address detection (RFC 6275 §10.3.1)', () => {
  it('HA_2_3_1 probes, waits for RetransTimer, then acknowledges and announces', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1 }));
    // HA → link  Neighbour Solicitation from :: for the home address
    expect(sentOnLink(scene)).toEqual([
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
    expect(sentOnLink(scene)[0]).toMatchObject({
      source: HOME_AGENT,
      destination: 'ff02::1',
      body: { router: false, solicited: false, override: true, target: HOME_ADDRESS },
    });
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)).toEqual({
      planeRoutes: [{ prefix: prefix(`${HOME_ADDRESS}/128`), tunnel: 1 }],
      routes: [{ destination: prefix(`${HOME_ADDRESS}/128`), table: 254, device: '%tun' }],
      proxyNeighbours: [{ device: 'home0', address: HOME_ADDRESS }],
    });
    // HA_4_1_1 three advertisements altogether
    scene.sent = [];
    scene.pass(10_000);
    expect(scene.sent).toHaveLength(2);
  });

  it('HA_2_3_2 probes for the link-local address too with the L flag', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, flags: COMPATIBLE }));
    expect(sentOnLink(scene).map(({ body }) => body)).toMatchObject([
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
    ['a probe of another host', (scene) => solicit(scene, HOME_ADDRESS, ipv6('::')), {}],
    [
      'HA_2_4_4 an advertisement, A clear',
      (scene) => advertise(scene, HOME_ADDRESS),
      { acknowledge: false },
    ],
  ])('%s: the home agent refuses with 134', (_, object, flags) => {
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

  it('HA_2_3_3 ignores an advertisement for the link-local address without the L flag', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1 }));
    advertise(scene, LINK_LOCAL);
    scene.pass(1000);
    expect(scene.desired.has(`binding/${HOME_ADDRESS}`)).toBe(true);
  });

  it('absorbs retransmissions while it runs and answers the newest', () => {
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

  it('ends without registration when the node de-registers from home', () => {
    const scene = onLink();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1 }));
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 2, lifetimeUnits: 0 }));
    scene.pass(10_000);
    expect([...scene.desired.keys()]).toEqual(['home-agent']);
  });

  it('does not run again for a home address with a binding', () => {
    const scene = registered();
    expect(scene.update(OVER_IPV6, { sequence: 2 }).message.status).toBe(0);
  });
});
