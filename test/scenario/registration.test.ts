/**
 * RFC 6275 §10.3, §11.7 and RFC 5555 §4 as scripts: who sends what, in order, and where data goes
 * afterwards.
 */
import { describe, expect, test } from 'vitest';
import { CORRESPONDENT, homeAddressOf } from '#test/sim/population.ts';
import { Script } from './script.ts';

describe('registration', () => {
  test('RFC 6275 §11.7.1: from an IPv6 network', () => {
    const script = new Script();
    script.move('ipv6-a');
    script.arrows(
      'mn -> ha  ipv6  Binding Update', // source care-of address, Home Address option
      'ha -> mn  ipv6  Binding Acknowledgement 0', // type 2 routing header
    );
    expect(script.settled()).toMatchObject({
      encapsulation: 'ipip',
      remote: script.careOfAddress(6),
    });
  });

  test('RFC 6275 §11.5.3: data already follows the Binding Update (optimistic)', () => {
    const script = new Script();
    script.move('ipv6-a');
    script.settled();
    script.move('ipv6-b');
    script.arrows('mn -> ha  ipv6  Binding Update');
    expect(script.lostData()).toBeUndefined();
  });

  test('RFC 5555 §4.4.2: from a public IPv4 network, no NAT, plain tunnel', () => {
    const script = new Script();
    script.move('ipv4-a');
    script.arrows('mn -> ha  udp  Binding Update', 'ha -> mn  udp  Binding Acknowledgement 0');
    expect(script.settled()).toMatchObject({
      encapsulation: 'ipip',
      remote: script.careOfAddress(4),
    });
  });

  test('RFC 5555 §4.4.2: the F flag asks for UDP where no NAT is', () => {
    const script = new Script({ mobile: { forceUdp: true } });
    script.move('ipv4-a');
    script.arrows('mn -> ha  udp  Binding Update', 'ha -> mn  udp  Binding Acknowledgement 0');
    expect(script.settled()).toMatchObject({
      encapsulation: 'udp',
      remote: script.careOfAddress(4),
      remotePort: 4191,
    });
  });

  test.each(['nat-endpoint', 'nat-address', 'nat-port', 'nat-symmetric', 'nat-twice'])(
    'RFC 5555 §4.2: behind %s',
    (name) => {
      const script = new Script();
      script.move(name);
      script.arrows('mn -> ha  udp  Binding Update', 'ha -> mn  udp  Binding Acknowledgement 0');
      const outside = script.network(name).nats.at(-1)?.externalAddress;
      expect(script.settled()).toMatchObject({ encapsulation: 'udp', remote: outside });
    },
  );

  test('RFC 5555 §4.4.1: IPv6 is preferred on a dual-stack network', () => {
    const script = new Script();
    script.move('dual');
    expect(script.settled()).toMatchObject({
      encapsulation: 'ipip',
      remote: script.careOfAddress(6),
    });
  });

  test('RFC 5555 §4.4.1: IPv4 is tried when IPv6 is silent', () => {
    const script = new Script();
    const dual = script.network('dual');
    dual.translateOut = (_now, frame) =>
      frame.source.includes(':') ? 'IPv6 is broken here' : frame;
    script.move('dual');
    script.arrows('mn -> ha  udp  Binding Update', 'ha -> mn  udp  Binding Acknowledgement 0');
    expect(script.settled()).toMatchObject({ remote: script.careOfAddress(4) });
  });

  test('RFC 4285 §6: a clock that is wrong by a minute is corrected by status 144', () => {
    const script = new Script({ clockSkewMs: 60_000 });
    script.move('ipv6-a');
    script.arrows(
      'mn -> ha  ipv6  Binding Update',
      'ha -> mn  ipv6  Binding Acknowledgement 144', // high-order 32 bits are the home agent's
      'mn -> ha  ipv6  Binding Update',
      'ha -> mn  ipv6  Binding Acknowledgement 0',
    );
    script.settled();
  });

  test('RFC 4285 §6: a home agent whose clock went back is followed as soon as its time reaches the last timestamp', () => {
    const script = new Script();
    script.move('ipv6-a');
    script.settled();
    script.setAgentClock(-20_000);
    script.move('ipv6-b');
    // Timestamps must be newer than the last accepted, which the home agent now takes for the
    // future: it refuses for 13 s.
    script.arrows('mn -> ha  ipv6  Binding Update', 'ha -> mn  ipv6  Binding Acknowledgement 144');
    script.settled(30_000);
    script.setAgentClock(0);
    script.move('ipv6-a');
    script.settled(30_000);
  });

  test('RFC 6275 §11.7.1: refreshed before the lifetime ends', () => {
    const script = new Script({ mobile: { lifetimeSeconds: 60 } });
    script.move('ipv6-a');
    script.settled();
    script.forgetArrows();
    script.arrows('mn -> ha  ipv6  Binding Update', 'ha -> mn  ipv6  Binding Acknowledgement 0');
    script.world.runFor(600_000);
    script.settled(0);
  });

  test('RFC 6275 §10.3.1: a node that vanished is forgotten when its lifetime ends', () => {
    const script = new Script({ mobile: { lifetimeSeconds: 60 } });
    script.move('ipv6-a');
    script.settled();
    script.move('none');
    script.world.runFor(61_000);
    expect(script.binding()).toBeUndefined();
  });

  test('RFC 6275 §11.8: retransmission with exponential back-off, and convergence when the network heals', () => {
    const script = new Script();
    script.network('ipv6-a').working = false;
    script.move('ipv6-a');
    script.world.runFor(20_000);
    script.network('ipv6-a').working = true;
    script.settled(40_000);
  });
});

describe('ingress', () => {
  test.each(['ipv6-a', 'ipv4-a', 'nat-port'])(
    'RFC 6275 §10.4.5: from %s no other inner source than its own home addresses passes',
    (name) => {
      const script = new Script();
      script.move(name);
      script.settled();
      expect(script.delivers(homeAddressOf(0))).toBe(true);
      expect(script.delivers(homeAddressOf(5))).toBe(false);
      expect(script.delivers(CORRESPONDENT)).toBe(false);
    },
  );

  test('RFC 6275 §10.4.5: what was permitted before a move is not permitted from the old place after it', () => {
    const script = new Script();
    script.move('ipv6-a');
    script.settled();
    const before = script.tunnelOfMobile();
    script.move('ipv6-b');
    script.settled();
    expect(script.delivers(homeAddressOf(0), before)).toBe(false);
    expect(script.delivers(homeAddressOf(0))).toBe(true);
  });
});

describe('translators', () => {
  test('RFC 5555 §4.3: keepalives keep an idle binding reachable (mapping time-out 180 s)', () => {
    const script = new Script({ mobile: { lifetimeSeconds: 600 } });
    script.move('nat-port');
    script.settled();
    for (let idle = 0; idle < 10; idle++) {
      script.world.runFor(170_000);
      expect(script.lostData()).toBeUndefined();
    }
  });

  test('RFC 5555 §4.2: a translator that forgot its mappings is found by the next keepalive', () => {
    const script = new Script();
    script.move('nat-symmetric');
    const before = script.settled();
    for (const nat of script.network('nat-symmetric').nats) nat.reboot();
    script.world.runFor(120_000);
    const after = script.settled();
    expect(after).toMatchObject({ encapsulation: 'udp', remote: before?.remote });
    expect(after?.remotePort).not.toBe(before?.remotePort);
  });

  test('RFC 5555 §4.2: from NAT to public IPv4 and back changes the encapsulation', () => {
    const script = new Script();
    script.move('nat-port');
    expect(script.settled()?.encapsulation).toBe('udp');
    script.move('ipv4-a');
    expect(script.settled()?.encapsulation).toBe('ipip');
    script.move('nat-twice');
    expect(script.settled()?.encapsulation).toBe('udp');
    script.move('ipv6-a');
    expect(script.settled()?.encapsulation).toBe('ipip');
  });
});

describe('returning home', () => {
  test('RFC 6275 §11.5.5: de-registration, and the home agent stops to defend the home address', () => {
    const script = new Script({ homeLink: true });
    script.move('ipv6-a');
    script.settled();
    script.move('home');
    script.arrows(
      'mn -> ha  ipv6  Binding Update (de-registration)', // source home address
      'ha -> mn  ipv6  Binding Acknowledgement 0', // to the home address, no routing header
      'mn -> home-link  ipv6  Neighbour Advertisement', // unsolicited: the home address is here again
    );
    script.settled();
    expect(script.binding()).toBeUndefined();
  });

  test('RFC 6275 §10.3.1: leaving home, the home agent detects duplicates and announces the home address', () => {
    const script = new Script({ homeLink: true });
    script.move('home');
    script.world.runFor(5000);
    script.move('ipv6-b');
    script.arrows(
      'mn -> ha  ipv6  Binding Update',
      'ha -> home-link  ipv6  Neighbour Solicitation', // duplicate address detection on behalf
      'ha -> home-link  ipv6  Neighbour Advertisement', // all nodes learn the home agent's link-layer address
      'ha -> mn  ipv6  Binding Acknowledgement 0',
    );
    script.settled();
  });

  test('RFC 6275 §11.5.5: away, home and away again', () => {
    const script = new Script({ homeLink: true });
    for (const name of ['ipv6-a', 'home', 'nat-symmetric', 'home', 'dual', 'home']) {
      script.move(name);
      script.settled();
    }
    expect(script.binding()).toBeUndefined();
  });
});

describe('restart', () => {
  test('home agent: the flow goes on without a new registration', () => {
    const script = new Script();
    script.move('nat-port');
    const before = script.settled();
    const wished = script.agent.tunnels.plane.snapshot();
    script.restartAgent(500);
    expect(script.agent.tunnels.plane.snapshot()).toBe(wished);
    script.silence(2000, 'mn -> ha');
    expect(script.lostData()).toBeUndefined();
    expect(script.binding()).toEqual(before);
  });

  test('home agent: a replayed Binding Update from before the crash changes nothing after it', () => {
    const script = new Script();
    const captured: { path: Parameters<typeof script.agent.control>[0]; packet: Uint8Array }[] = [];
    const watched = script.agent.onControl;
    script.agent.onControl = (path, packet, deliver) => {
      captured.push({ path, packet });
      watched(path, packet, deliver);
    };
    script.move('ipv6-a');
    script.settled();
    script.move('ipv6-b');
    script.settled();
    script.restartAgent(100);
    const before = script.agent.tunnels.plane.snapshot();
    for (const { path, packet } of [...captured]) script.agent.control(path, packet);
    expect(script.agent.tunnels.plane.snapshot()).toBe(before);
    expect(captured.length).toBeGreaterThanOrEqual(4);
  });

  test('mobile node: registered again, with a sequence number that is accepted at once', () => {
    const script = new Script();
    script.move('ipv6-a');
    script.settled();
    script.restartMobile(1000);
    script.arrows('mn -> ha  ipv6  Binding Update', 'ha -> mn  ipv6  Binding Acknowledgement 0');
    script.settled();
  });
});

describe('home agent by name', () => {
  test('is resolved before the first registration', () => {
    const script = new Script({ mobile: { byName: true } });
    script.move('ipv6-a');
    script.settled();
  });

  test('names that fail for a while are asked for again', () => {
    const script = new Script({ mobile: { byName: true } });
    script.world.namesWork = false;
    script.move('ipv4-b');
    script.world.runFor(10_000);
    script.world.namesWork = true;
    script.settled();
  });

  test('renumbering: after failures the name is resolved again and the new home agent is used', () => {
    const script = new Script({ mobile: { byName: true, lifetimeSeconds: 60 } });
    script.move('ipv6-a');
    script.settled();
    const renumbered = script.renumber();
    script.world.runFor(5000);
    converges(script, renumbered);
  });
});

function converges(script: Script, agent: Script['agent']): void {
  script.world.runUntil('the new home agent has the binding', 180_000, () => {
    const home = script.mobile.configuration.homes[0];
    const route = home === undefined ? undefined : agent.tunnels.plane.routeOf(home.homeAddress);
    return route === undefined ? 'no binding at the new address' : undefined;
  });
  expect(script.lostData()).toBeUndefined();
}
