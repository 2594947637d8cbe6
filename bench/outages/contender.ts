/** What the benchmark of outages asks of a contender. */
import type { Lab } from '#lab/topology.ts';

/** The hosts at which a contender's fixed end can run, in the order of preference. */
export const SERVERS = ['home', 'ha2'] as const;
export type Server = (typeof SERVERS)[number];

/** The name by which the mobile host finds the fixed end; see `renameHost`. */
export const SERVER_NAME = 'vpn.example';
/** The mobile host's address in the tunnel, which the core routes to the fixed end. */
export const MOBILE_ADDRESS = '203.0.113.10';

/** An established tunnel between `mn` and its servers. */
export interface Tunnel extends AsyncDisposable {
  /** Kills the fixed end on `home` and starts it without its state; resolves when it is ready. */
  restartServer(): Promise<void>;
}

/** Where a contender finds its fixed end. */
export interface Site {
  readonly servers: readonly Server[];
  /** The name or address that strongSwan connects to. */
  readonly strongswanRemote: string;
}

export interface Contender {
  readonly name: string;
  /** It can be given a second server. */
  readonly severalServers: boolean;
  start(lab: Lab, site: Site): Promise<Tunnel>;
}
