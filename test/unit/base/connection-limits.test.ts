/** Which connections are admitted, and which are closed for them. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { type ConnectionLimit, ConnectionLimits } from '#base/connection-limits.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';

const LIMIT: ConnectionLimit = {
  ...{ total: 10, reserved: 2, perSource: 3, perNetwork: 5 },
  rate: { perMinute: 60_000, burst: 1000 },
};
const NOW = monotonic(0);
const host = (site: number, network: number, number: number) =>
  ipv6(`2001:db8:${site.toString(16)}:${network.toString(16)}::${(number + 1).toString(16)}`);

let limits: ConnectionLimits<string>;
let names = 0;
beforeEach(() => {
  limits = new ConnectionLimits(LIMIT);
  names = 0;
});

/** Opens connections from different addresses of a /64; resolves with their names. */
function open(count: number, site: number, network = 0): readonly string[] {
  return Array.from({ length: count }, (_, number) => {
    names += 1;
    limits.admit(NOW, `c${names}`, host(site, network, number));
    return `c${names}`;
  });
}

const admit = (name: string, site: number, network = 0) =>
  limits.admit(NOW, name, host(site, network, 99));

describe('ConnectionLimits', () => {
  it('counts all addresses of an IPv6 /64 as one source, and closes its oldest silent one', () => {
    const [first] = open(3, 1);
    expect(admit('new', 1)).toEqual({ admitted: true, shed: first });
    expect(limits.size).toBe(3);
    expect(admit('other', 2)).toEqual({ admitted: true, shed: undefined });
  });

  it('counts all /64 of a /48 as one network', () => {
    open(3, 1, 0);
    open(2, 1, 1);
    expect(admit('new', 1, 7)).toEqual({ admitted: true, shed: 'c1' });
  });

  it('counts an IPv4 address as a source, and its /24 as a network', () => {
    const from = (last: number) => {
      names += 1;
      const admission = limits.admit(NOW, `v${names}`, ipv4(`192.0.2.${last}`));
      return admission.admitted ? admission.shed : admission.reason;
    };
    expect([from(1), from(1), from(1), from(1)]).toEqual([undefined, undefined, undefined, 'v1']);
    expect([from(2), from(3), from(4)]).toEqual([undefined, undefined, 'v2']);
  });

  it('refuses a connection when every other one of its source is being served', () => {
    for (const name of open(3, 1)) limits.enter(name, 'serving');
    expect(admit('new', 1)).toEqual({ admitted: false, reason: 'too-many' });
    limits.enter('c2', 'idle');
    expect(admit('new', 1)).toEqual({ admitted: true, shed: 'c2' });
  });

  it('closes silent ones first, then those after TLS, then idle ones; in each the oldest', () => {
    open(3, 1);
    limits.enter('c1', 'idle');
    limits.enter('c2', 'secured');
    const shed = () => {
      names += 1;
      const admission = admit(`n${names}`, 1);
      limits.enter(`n${names}`, 'serving');
      return admission.admitted ? admission.shed : admission.reason;
    };
    expect([shed(), shed(), shed(), shed()]).toEqual(['c3', 'c2', 'c1', 'too-many']);
  });

  it('leaves the reserved connections to sources that were authenticated', () => {
    for (const site of [1, 2, 3, 4])
      for (const name of open(2, site)) limits.enter(name, 'serving');
    expect(admit('stranger', 9)).toEqual({ admitted: false, reason: 'too-many' });
    limits.authenticated(host(9, 0, 5));
    expect(admit('known', 9)).toEqual({ admitted: true, shed: undefined });
    expect(admit('known too', 9)).toEqual({ admitted: true, shed: undefined });
    limits.enter('known', 'serving');
    limits.enter('known too', 'serving');
    expect(admit('one more', 9)).toEqual({ admitted: false, reason: 'too-many' });
  });

  it('admits new connections of a source and of its network at their rates', () => {
    limits.setLimit({ ...LIMIT, rate: { perMinute: 60, burst: 2 } });
    const tryFrom = (network: number) => {
      names += 1;
      return admit(`r${names}`, 1, network).admitted;
    };
    expect([tryFrom(0), tryFrom(0), tryFrom(0)]).toEqual([true, true, false]);
    const others = Array.from({ length: 20 }, (_, network) => tryFrom(network + 1));
    expect(others.filter(Boolean)).toHaveLength(6);
    expect(limits.admit(monotonic(1000), 'later', host(1, 0, 0)).admitted).toBe(true);
  });

  it('counts connections without an address in the total only', () => {
    for (let at = 0; at < 8; at += 1)
      expect(limits.admit(NOW, `u${at}`, undefined)).toEqual({ admitted: true, shed: undefined });
    expect(limits.admit(NOW, 'u8', undefined)).toEqual({ admitted: true, shed: 'u0' });
  });

  it('never exceeds a limit, and frees every count when connections close', () => {
    const step = fc.record({
      site: fc.nat(3),
      network: fc.nat(2),
      phase: fc.constantFrom('silent', 'secured', 'serving', 'idle', 'close'),
      pick: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const own = new ConnectionLimits<string>(LIMIT);
        const opened = new Map<string, string>();
        for (const [at, { site, network, phase, pick }] of steps.entries()) {
          const admission = own.admit(NOW, `s${at}`, host(site, network, at));
          if (admission.admitted) {
            if (admission.shed !== undefined) opened.delete(admission.shed);
            opened.set(`s${at}`, `${site}:${network}`);
          }
          const name = [...opened.keys()][pick];
          if (name === undefined) continue;
          if (phase === 'close') {
            own.close(name);
            opened.delete(name);
          } else own.enter(name, phase);
          const sources = Object.values(Object.groupBy([...opened.values()], (source) => source));
          expect(Math.max(0, ...sources.map((all) => all?.length ?? 0))).toBeLessThanOrEqual(3);
          expect(own.size).toBe(opened.size);
          expect(own.size).toBeLessThanOrEqual(8);
        }
        for (const name of opened.keys()) own.close(name);
        expect(own.size).toBe(0);
      }),
    );
  });
});
