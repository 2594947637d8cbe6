/**
 * RFC 6275 §10.3, §11.7 and RFC 5555 §4 as scripts: the messages in order, and the path of data
 * afterwards.
 */
import { describe, expect, test } from 'vitest';
import { CORRESPONDENT, homeAddressOf } from '#test/sim/population.ts';
import { Script } from './script.ts';

describe('registration', () => {
  test('RFC 6275 §11.7.1: uses a plain tunnel on an IPv6 network', () => {
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

  test('RFC 6275 §11.5.3: carries data right after the Binding Update (optimistic)', () => {
    const script = new Script();
    script.move('ipv6-a');
    script.settled();
    script.move('ipv6-b');
    script.arrows('mn -> ha  ipv6  Binding Update');
    expect(script.lostData()).toBeUndefined();
  });

  test('RFC 5555 §4.4.2: uses a plain tunnel on a public IPv4 network', () => {
    const script = new Script();
    script.move('ipv4-a');
    script.arrows('mn -> ha  udp  Binding Update', 'ha -> mn  udp  Binding Acknowledgement 0');
    expect(script.settled()).toMatchObject({
      encapsulation: 'ipip',
      remote: script.careOfAddress(4),
    });
  });

  test('RFC 5555 §4.4.2: uses UDP without NAT when the F flag requests it', () => {
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
    'RFC 5555 §4.2: uses a UDP tunnel behind %s',
    (name) => {
      const script = new Script();
      script.move(name);
      script.arrows('mn -> ha  udp  Binding Update', 'ha -> mn  udp  Binding Acknowledgement 0');
      const outside = script.network(name).nats.at(-1)?.externalAddress;
      expect(script.settled()).toMatchObject({ encapsulation: 'udp', remote: outside });
    },
  );

  test('RFC 5555 §4.4.1: prefers IPv6 on a dual-stack network', () => {
    const script = new Script();
    script.move('dual');
    expect(script.settled()).toMatchObject({
      encapsulation: 'ipip',
      remote: script.careOfAddress(6),
    });
  });

  test('RFC 5555 §4.4.1: tries IPv4 when IPv6 gets no answer', () => {
    const script = new Script();
    const dual = script.network('dual');
    dual.translateOut = (_now, frame) =>
      frame.source.includes(':') ? 'IPv6 does not work here' : frame;
    script.move('dual');
    script.arrows('mn -> ha  udp  Binding Update', 'ha -> mn  udp  Binding Acknowledgement 0');
    expect(script.settled()).toMatchObject({ remote: script.careOfAddress(4) });
  });

  test('RFC 4285 §6: corrects a clock that is wrong by a minute after status 144', () => {
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

  test('RFC 4285 §6: recovers when the home agent’s clock was set back and is right again', () => {
    const script = new Script();
    script.move('ipv6-a');
    script.settled();
    script.setAgentClock(-20_000);
    script.move('ipv6-b');
    // The last accepted timestamp is in the future for the home agent now, so its clock is wrong.
    // It judges by one that continues from there.
    script.arrows('mn -> ha  ipv6  Binding Update', 'ha -> mn  ipv6  Binding Acknowledgement 0');
    script.settled(1_000);
    script.setAgentClock(0);
    script.move('ipv6-a');
    script.settled(1_000);
  });

  test('RFC 6275 §11.7.1: refreshes before the lifetime ends', () => {
    const script = new Script({ mobile: { lifetimeSeconds: 60 } });
    script.move('ipv6-a');
    script.settled();
    script.forgetArrows();
    script.arrows('mn -> ha  ipv6  Binding Update', 'ha -> mn  ipv6  Binding Acknowledgement 0');
    script.world.runFor(600_000);
    script.settled(0);
  });

  test('RFC 6275 §10.3.1: ends with its lifetime when the node has vanished', () => {
    const script = new Script({ mobile: { lifetimeSeconds: 60 } });
    script.move('ipv6-a');
    script.settled();
    script.move('none');
    script.world.runFor(61_000);
    expect(script.binding()).toBeUndefined();
  });

  test('RFC 6275 §11.8: retransmits with exponential back-off until the network recovers', () => {
    const script = new Script();
    script.network('ipv6-a').working = false;
    script.move('ipv6-a');
    script.world.runFor(20_000);
    script.network('ipv6-a').working = true;
    script.settled(40_000);
  });
});

describe('ingress filter', () => {
  test.each(['ipv6-a', 'ipv4-a', 'nat-port'])(
    'RFC 6275 §10.4.5: passes only the node’s own home addresses from %s',
    (name) => {
      const script = new Script();
      script.move(name);
      script.settled();
      expect(script.delivers(homeAddressOf(0))).toBe(true);
      expect(script.delivers(homeAddressOf(5))).toBe(false);
      expect(script.delivers(CORRESPONDENT)).toBe(false);
    },
  );

  test('RFC 6275 §10.4.5: rejects the old tunnel endpoint after a move', () => {
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

describe('a registration behind a NAT', () => {
  test('RFC 5555 §4.3: stays reachable by keepalives when idle (mapping timeout 180 s)', () => {
    const script = new Script({ mobile: { lifetimeSeconds: 600 } });
    script.move('nat-port');
    script.settled();
    for (let idle = 0; idle < 10; idle++) {
      script.world.runFor(170_000);
      expect(script.lostData()).toBeUndefined();
    }
  });

  test('RFC 5555 §4.2: recovers by the next keepalive when the NAT lost its mappings', () => {
    const script = new Script();
    script.move('nat-symmetric');
    const before = script.settled();
    for (const nat of script.network('nat-symmetric').nats) nat.reboot();
    script.world.runFor(120_000);
    const after = script.settled();
    expect(after).toMatchObject({ encapsulation: 'udp', remote: before?.remote });
    expect(after?.remotePort).not.toBe(before?.remotePort);
  });

  test('RFC 5555 §4.2: changes the encapsulation between NAT and public IPv4', () => {
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
  test('RFC 6275 §11.5.5: de-registers, and the home agent stops its defence', () => {
    const script = new Script({ homeLink: true });
    script.move('ipv6-a');
    script.settled();
    script.move('home');
    script.arrows(
      'mn -> ha  ipv6  Binding Update (de-registration)', // source home address
      'ha -> mn  ipv6  Binding Acknowledgement 0', // to the home address, no routing header
      'mn -> home-link  ipv6  Neighbour Advertisement', // unsolicited, for the home address
    );
    script.settled();
    expect(script.binding()).toBeUndefined();
  });

  test('RFC 6275 §10.3.1: causes duplicate address detection and advertisement on leaving', () => {
    const script = new Script({ homeLink: true });
    script.move('home');
    script.world.runFor(5000);
    script.move('ipv6-b');
    script.arrows(
      'mn -> ha  ipv6  Binding Update',
      'ha -> home-link  ipv6  Neighbour Solicitation', // duplicate address detection
      'ha -> home-link  ipv6  Neighbour Advertisement', // to all nodes
      'ha -> mn  ipv6  Binding Acknowledgement 0',
    );
    script.settled();
  });

  test('RFC 6275 §11.5.5: works repeatedly between home and other networks', () => {
    const script = new Script({ homeLink: true });
    for (const name of ['ipv6-a', 'home', 'nat-symmetric', 'home', 'dual', 'home']) {
      script.move(name);
      script.settled();
    }
    expect(script.binding()).toBeUndefined();
  });
});

describe('a restart', () => {
  test('resumes the flow after the home agent is killed, without a new registration', () => {
    const script = new Script();
    script.move('nat-port');
    const before = script.settled();
    const planeBefore = script.agent.tunnels.plane.snapshot();
    script.restartAgent(500);
    expect(script.agent.tunnels.plane.snapshot()).toBe(planeBefore);
    script.silence(2000, 'mn -> ha');
    expect(script.lostData()).toBeUndefined();
    expect(script.binding()).toEqual(before);
  });

  test('rejects a Binding Update captured before the home agent was killed', () => {
    const script = new Script();
    const captured: { path: Parameters<typeof script.agent.control>[0]; packet: Uint8Array }[] = [];
    const forward = script.agent.onControl;
    script.agent.onControl = (path, packet, deliver) => {
      captured.push({ path, packet });
      forward(path, packet, deliver);
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

  test('registers a restarted mobile node with an accepted sequence number at once', () => {
    const script = new Script();
    script.move('ipv6-a');
    script.settled();
    script.restartMobile(1000);
    script.arrows('mn -> ha  ipv6  Binding Update', 'ha -> mn  ipv6  Binding Acknowledgement 0');
    script.settled();
  });
});

describe('home agent by name', () => {
  test('resolves before the first registration', () => {
    const script = new Script({ mobile: { byName: true } });
    script.move('ipv6-a');
    script.settled();
  });

  test('resolves again after failures', () => {
    const script = new Script({ mobile: { byName: true } });
    script.world.namesWork = false;
    script.move('ipv4-b');
    script.world.runFor(10_000);
    script.world.namesWork = true;
    script.settled();
  });

  test('resolves again when the home agent was renumbered, and registers there', () => {
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
