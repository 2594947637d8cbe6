import { MOBILE_ROUTERS, type MobileRouterName, routerAddressesOf } from './mobile-networks.ts';
import { Dependence, type NatBehaviour } from './nat-probe.ts';
import { NatKind, type Network } from './network.ts';
import { ADDRESSES, ATTACHMENT_POINTS } from './networks.ts';
import { type Background, ipBatch, nowMs } from './shell.ts';
import type { Lab } from './topology.ts';

/**
 * Verifies the properties of each network in the running lab, for `lab/main.ts selftest` and the
 * tests.
 */

const PROBE_PROGRAM = new URL('nat-probe.ts', import.meta.url).pathname;
const PROBE_ENDPOINTS = [
  ADDRESSES.correspondentIpv4,
  ADDRESSES.correspondentOtherIpv4,
  '3478',
  '3479',
] as const;

/** Starts the server of the NAT prober on the correspondent. */
export async function startNatProbeServer(lab: Lab): Promise<Background> {
  const server = lab.spawn('cn', [process.execPath, PROBE_PROGRAM, 'serve', ...PROBE_ENDPOINTS]);
  await server.ready('ready');
  return server;
}

/** UDP behaviour of the NATs between the node's present network and the correspondent. */
export async function probeNat(lab: Lab, node: string, localPort = 0): Promise<NatBehaviour> {
  const argv = [
    process.execPath,
    PROBE_PROGRAM,
    'classify',
    ...PROBE_ENDPOINTS,
    '--port',
    String(localPort),
  ];
  const behaviour: NatBehaviour = JSON.parse(await lab.exec(node, argv));
  return behaviour;
}

/** The NAT behaviour expected in a network; with several NATs in a row, the strictest counts. */
export function expectedBehaviour(network: Network): Pick<NatBehaviour, 'mapping' | 'filtering'> {
  const has = (kind: NatKind): boolean => network.nat.includes(kind);
  const mapping = has(NatKind.symmetric)
    ? Dependence.addressAndPortDependent
    : has(NatKind.addressDependentMapping)
      ? Dependence.addressDependent
      : Dependence.endpointIndependent;
  const filtering =
    has(NatKind.symmetric) || has(NatKind.addressDependentMapping) || has(NatKind.portRestricted)
      ? Dependence.addressAndPortDependent
      : has(NatKind.addressDependent)
        ? Dependence.addressDependent
        : Dependence.endpointIndependent;
  return { mapping, filtering };
}

/** The result for one network; `wrong` is empty if the network is as expected. */
export interface NetworkReport {
  readonly network: Network;
  readonly addresses: readonly string[];
  readonly nat: NatBehaviour | undefined;
  readonly wrong: readonly string[];
}

/**
 * Plugs the node into a network and checks that it gets its addresses, reaches the correspondent,
 * and is translated as expected.
 */
export async function checkNetwork(
  lab: Lab,
  node: string,
  network: Network,
): Promise<NetworkReport> {
  await lab.move(node, network.name);
  const addresses: string[] = [];
  const wrong: string[] = [];
  const families = [
    ...(network.ipv6 === undefined ? [] : [[6, ADDRESSES.correspondentIpv6] as const]),
    ...(network.ipv4 === undefined ? [] : [[4, ADDRESSES.correspondentIpv4] as const]),
  ];
  for (const [family, correspondent] of families) {
    try {
      addresses.push((await lab.waitForAddress(node, family)).address);
      if (!(await answers(lab, node, correspondent))) wrong.push(`no answer from ${correspondent}`);
    } catch (error) {
      wrong.push(error instanceof Error ? error.message : String(error));
    }
  }
  const nat =
    network.ipv4 === undefined || wrong.length > 0 ? undefined : await probeNat(lab, node);
  if (nat !== undefined) wrong.push(...deviations(network, nat));
  return { network, addresses, nat, wrong };
}

/**
 * Pings until an answer arrives, for at most ten seconds: the route appears shortly after the
 * address, and an address does not answer during duplicate address detection.
 */
async function answers(lab: Lab, from: string, to: string): Promise<boolean> {
  const argv = ['ping', '-n', '-c', '3', '-i', '0.01', '-W', '1', to];
  const endMs = nowMs() + 10_000;
  do {
    const { code } = await lab.attempt(from, argv);
    if (code === 0) return true;
  } while (nowMs() < endMs);
  return false;
}

function deviations(network: Network, found: NatBehaviour): string[] {
  const expected = expectedBehaviour(network);
  const wrong: string[] = [];
  if (found.mapping !== expected.mapping)
    wrong.push(`mapping is ${found.mapping}, expected ${expected.mapping}`);
  if (found.filtering !== expected.filtering)
    wrong.push(`filtering is ${found.filtering}, expected ${expected.filtering}`);
  return wrong;
}

/**
 * Sets a mobile router's addresses on its link by hand instead of by its daemon, and removes them
 * in the end. Checks that radvd and dnsmasq, which were started before, give addresses to the
 * hosts, and that the hosts reach the router and each other.
 */
export async function checkMobileNetwork(
  lab: Lab,
  router: MobileRouterName,
): Promise<NetworkReport> {
  const { hosts, lan } = MOBILE_ROUTERS[router];
  const own = routerAddressesOf(MOBILE_ROUTERS[router]);
  await ipBatch(
    own.map((address) => `address add ${address} dev lan0`),
    { namespace: router },
  );
  const addresses: string[] = [];
  const wrong: string[] = [];
  try {
    for (const host of hosts) {
      for (const family of [6, 4] as const)
        addresses.push((await lab.waitForAddress(host, family, { timeoutMs: 15_000 })).address);
    }
    for (const host of hosts) {
      for (const address of [...own.map((each) => each.replace(/\/.*/, '')), ...addresses]) {
        if (!(await answers(lab, host, address)))
          wrong.push(`${host} gets no answer from ${address}`);
      }
    }
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error));
  }
  await ipBatch(
    own.map((address) => `address delete ${address} dev lan0`),
    { namespace: router },
  );
  return { network: ATTACHMENT_POINTS[lan], addresses, nat: undefined, wrong };
}
