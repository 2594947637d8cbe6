/**
 * The desired state of a mobile router in the real kernel: the route of each kind of packet.
 * mobile-router-host-inside.ts describes the set-up.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const enter = join(root, 'lab/enter.ts');
const inside = join(import.meta.dirname, 'mobile-router-host-inside.ts');

type Routes = Readonly<Record<string, string>>;
/** The default router from advertisements, and the network of the advertised prefix. */
type Advertised = readonly [string, string];

interface Observed {
  readonly settings: readonly string[];
  readonly away: {
    readonly routes: Routes;
    readonly control: string;
    readonly advertised: Advertised;
    readonly forwarding: string;
    readonly allRouters: readonly string[];
  };
  readonly lanDown: Routes;
  readonly silent: Routes;
  readonly detached: Routes;
  readonly givenUp: { readonly routes: Routes; readonly addresses: readonly string[] };
  readonly fresh: { readonly advertised: Advertised; readonly allRouters: readonly string[] };
  readonly later: {
    readonly advertised: Advertised;
    readonly allRouters: readonly string[];
    readonly transit: string;
  };
  readonly home: {
    readonly routes: Routes;
    readonly advertised: readonly Advertised[];
    readonly allRouters: readonly string[];
  };
  readonly awayAgain: {
    readonly routes: Routes;
    readonly advertised: Advertised;
    readonly allRouters: readonly string[];
  };
  readonly after: {
    readonly advertised: readonly Advertised[];
    readonly rules: string;
    readonly addresses: readonly string[];
    readonly settings: readonly string[];
  };
  readonly routersLost: number;
  readonly refusals: readonly string[];
}

/** `tun9` is the tunnel; unknown sources go there too, for the plane to drop and count. */
const AWAY: Routes = {
  'lan out': 'tun9',
  'lan out v4': 'tun9',
  'second lan out': 'tun9',
  'lan to lan': 'lan1',
  'lan to no lan': 'nowhere',
  'lan to visited neighbour': 'tun9',
  'lan to visited neighbour v4': 'tun9',
  'lan to router': 'local',
  'lan to home address': 'local',
  'lan asks for an address': 'local',
  'lan foreign source': 'tun9',
  'lan claims own lan address': 'nowhere',
  'lan claims home address': 'nowhere',
  'lan claims care-of address': 'tun9',
  'tunnel in': 'lan0',
  'tunnel in v4': 'lan0',
  'tunnel in for no lan': 'nowhere',
  'tunnel in from own prefix': 'nowhere',
  'visited in': 'nowhere',
  'visited in v4': 'nowhere',
  'visited claims prefix': 'nowhere',
  'visited claims home address': 'nowhere',
  'visited in transit': 'nowhere',
  'visited in transit v4': 'nowhere',
  'home link in': 'nowhere',
  'home link in v4': 'nowhere',
  'home link claims prefix': 'nowhere',
  'own to lan': 'lan0',
  'own care-of to lan': 'lan0',
  'own lan address out': 'tun9',
  'own lan address out v4': 'tun9',
  'own care-of out': 'eth0',
  'own home address out': 'tun9',
};

const AT_HOME: Routes = {
  ...AWAY,
  'lan out': 'eth2',
  'lan out v4': 'eth2',
  'second lan out': 'eth2',
  'lan to visited neighbour': 'eth2',
  'lan to visited neighbour v4': 'eth2',
  // Strict reverse path filtering: no packet may arrive through a tunnel now.
  'tunnel in v4': 'nowhere',
  'home link in': 'lan0',
  'home link in v4': 'lan0',
  'own lan address out': 'eth2',
  'own lan address out v4': 'eth2',
  'own home address out': expect.any(String),
};

/**
 * Every kernel can forward on all interfaces or on none; Linux 6.17 and later also on single
 * interfaces.
 */
const KINDS = [
  { kind: 'all or none', argument: 'all', forwarding: '1' },
  ...(existsSync('/proc/sys/net/ipv6/conf/all/force_forwarding')
    ? [{ kind: 'interface', argument: 'by-interface', forwarding: '0' }]
    : []),
];

describe.each(KINDS)(
  'a mobile router on a kernel that forwards by $kind',
  ({ argument, forwarding }) => {
    let observed: Observed;
    beforeAll(() => {
      const build = join(root, 'native/build');
      const addon = readdirSync(build).find((name) => name.endsWith('.node'));
      if (addon === undefined) throw new Error('the addon is not built: npm run build');
      const argv = [enter, '--', process.execPath, inside, join(build, addon), argument];
      observed = JSON.parse(execFileSync(process.execPath, argv, { encoding: 'utf8', cwd: root }));
    }, 120_000);

    describe('the packets of a mobile network', () => {
      it('use only the tunnel while away', () => {
        expect(observed.away.routes).toEqual(AWAY);
        expect(observed.refusals).toEqual([]);
      });

      it('leave the router’s own control and tunnel packets outside the tunnel', () => {
        expect(observed.away.control).toBe('eth0');
      });

      it('do not take another route when their network is down', () => {
        expect(observed.lanDown).toEqual({ ...AWAY, 'lan to lan': 'nowhere' });
      });

      it('do not leave outside the tunnel while the home agent is silent', () => {
        expect(observed.silent).toEqual(AWAY);
      });

      it('do not leave while there is neither care-of address nor tunnel', () => {
        expect(observed.detached).toEqual(AWAY);
      });

      it('NEMO-MR-2-1-1-4-013 stop in both directions once registration is given up', () => {
        const { routes, addresses } = observed.givenUp;
        const leading = Object.entries(routes).filter(([, route]) => route !== 'nowhere');
        expect(Object.fromEntries(leading)).toEqual({
          'lan asks for an address': 'local',
          // Routed to the plane, which drops them because no tunnel has their sources.
          'lan foreign source': 'tun9',
          'lan claims care-of address': 'tun9',
          'own care-of out': 'eth0',
          // The host does not have the home address then.
          'own home address out': 'eth0',
        });
        expect(addresses).toEqual([]);
      });

      it('NEMO-MR-4-1-1-2-004, NEMO-MR-4-1-2-2-007 use the home link at home', () => {
        expect(observed.home.routes).toEqual(AT_HOME);
      });

      it('use the tunnel again after leaving home', () => {
        expect(observed.awayAgain.routes).toEqual(AWAY);
      });
    });

    describe('the egress interfaces', () => {
      it('keep advertised addresses and routes while forwarding starts and stops', () => {
        const { away, home, after, routersLost } = observed;
        expect(away.forwarding).toBe(forwarding);
        expect(away.advertised).toEqual(['default', '2001:db8:a']);
        expect(home.advertised).toEqual([
          ['default', '2001:db8:a'],
          ['default', '2001:db8:100'],
        ]);
        expect(after.advertised).toEqual(home.advertised);
        expect(routersLost).toBe(0);
      });

      it('join the all-routers group on the home link only', () => {
        expect(observed.away.allRouters).toEqual(['lan0', 'lan1']);
        expect(observed.home.allRouters).toEqual(['eth2']);
        expect(observed.awayAgain.allRouters).toEqual([]);
      });

      it('accept router advertisements from their first moment when they appear later', () => {
        expect(observed.fresh).toEqual({ advertised: ['default', '2001:db8:b'], allRouters: [] });
        expect(observed.later).toEqual({
          advertised: ['default', '2001:db8:b'],
          allRouters: [],
          transit: 'nowhere',
        });
      });
    });

    it('leave no change on the host in the end', () => {
      const { after, settings } = observed;
      expect(after.settings).toEqual(settings);
      expect(after.addresses).toEqual([]);
      expect(after.rules.match(/^\d+/gm)).toEqual(['0', '32766', '0', '32766', '32767']);
    });
  },
);
