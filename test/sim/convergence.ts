/**
 * Checks that the home agent knows the mobile node's care-of address and that data passes both
 * ways; gives the fault as text, or undefined.
 */
import { formatPrefix, type IpAddress, isIpv4, isIpv6 } from '#base/ip.ts';
import {
  type DesiredTunnel,
  describeTunnel,
  type TunnelDescription,
} from '#engine/contract/desired-state.ts';
import type { HomeAgentHost } from './home-agent-host.ts';
import type { MobileHost } from './mobile-host.ts';
import type { MobileInterface } from './mobile-interface.ts';
import { CORRESPONDENT, CORRESPONDENT_V4 } from './population.ts';
import type { World } from './world.ts';

/** Interfaces from which the node can reach its home agent. */
function uplinks(mobile: MobileHost): MobileInterface[] {
  return [...mobile.interfaces.values()].filter(
    (each) =>
      each.network?.working &&
      each
        .usable()
        .some(
          (one) => !one.address.startsWith('fe80') && each.hasRouter(isIpv6(one.address) ? 6 : 4),
        ),
  );
}

const isAtHome = (mobile: MobileHost): boolean =>
  uplinks(mobile).some((each) => each.network?.home);

/** The fault in the state of both ends for `homeAddress`. */
function wrongBinding(
  world: World,
  agent: HomeAgentHost,
  mobile: MobileHost,
  homeAddress: IpAddress,
): string | undefined {
  if (!mobile.engine.running || !agent.engine.running) return 'not running';
  const interfaces = uplinks(mobile);
  if (interfaces.length === 0) return undefined;
  const atAgent = tunnelFor(agent.tunnels, homeAddress);
  const atMobile = tunnelFor(mobile.tunnels, homeAddress);
  if (isAtHome(mobile)) {
    if (atAgent !== undefined)
      return `home agent still has a binding for ${homeAddress} at ${atAgent.path.remote}`;
    return atMobile === undefined ? undefined : `mobile node at home still has a tunnel`;
  }
  if (atMobile === undefined) return `mobile node has no tunnel for ${homeAddress}`;
  if (atAgent === undefined) return `home agent has no binding for ${homeAddress}`;
  return wrongEndpoints(world, mobile, describeTunnel(atMobile), describeTunnel(atAgent));
}

function wrongEndpoints(
  world: World,
  mobile: MobileHost,
  atMobile: TunnelDescription,
  atAgent: TunnelDescription,
): string | undefined {
  const out = mobile.interfaceOf(atMobile.local);
  if (out?.network === undefined)
    return `mobile node's tunnel leaves from ${atMobile.local}, which it does not have`;
  if (atMobile.encapsulation !== atAgent.encapsulation)
    return `encapsulation ${atMobile.encapsulation} and ${atAgent.encapsulation}`;
  if (atAgent.local !== atMobile.remote)
    return `home agent's end is ${atAgent.local}, mobile node sends to ${atMobile.remote}`;
  if (!isIpv4(atMobile.local) || !isIpv4(atMobile.remote)) {
    return atAgent.remote === atMobile.local
      ? undefined
      : `home agent sends to ${atAgent.remote}, node is at ${atMobile.local}`;
  }
  const inside = { address: atMobile.local, port: atMobile.localPort };
  const seen = out.network.seenFromOutside(world.now, inside, {
    address: atMobile.remote,
    port: atMobile.remotePort,
  });
  if (seen === undefined) return 'NAT has no mapping';
  const agrees = seen.address === atAgent.remote && seen.port === atAgent.remotePort;
  return agrees
    ? undefined
    : `home agent sends to ${atAgent.remote}:${atAgent.remotePort}, ` +
        `node is seen at ${seen.address}:${seen.port}`;
}

function tunnelFor(end: MobileHost['tunnels'], homeAddress: IpAddress): DesiredTunnel | undefined {
  const route = end.plane.routeOf(homeAddress);
  return route === undefined ? undefined : end.plane.tunnels.get(route.tunnel);
}

/** Sends one packet each way for every home address; the caller checks the arrival later. */
export function probe(world: World, mobile: MobileHost): () => string | undefined {
  const atHome = isAtHome(mobile);
  const expected: { readonly number: number; readonly text: string }[] = [];
  for (const homeAddress of mobile.homeAddresses()) {
    if (isIpv4(homeAddress) && atHome) continue;
    const correspondent = isIpv4(homeAddress) ? CORRESPONDENT_V4 : CORRESPONDENT;
    const up = world.data(mobile.name, homeAddress, correspondent);
    const down = world.data('correspondent', correspondent, homeAddress);
    expected.push(
      { number: up.number, text: `uplink of ${homeAddress}` },
      { number: down.number, text: `downlink of ${homeAddress}` },
    );
    sendFromMobile(mobile, up);
    sendFromCorrespondent(world, down);
  }
  return () => expected.find(({ number }) => !world.delivered.has(number))?.text;
}

export function sendFromMobile(
  mobile: MobileHost,
  data: Parameters<MobileHost['sendData']>[0],
): void {
  mobile.sendData(data);
}

export function sendFromCorrespondent(
  world: World,
  data: Parameters<MobileHost['sendData']>[0],
): void {
  const { source, destination } = data;
  world.transmitFromCore('correspondent', {
    encapsulation: 'none',
    source,
    sourcePort: 0,
    destination,
    destinationPort: 0,
    data,
  });
}

/**
 * Waits until every home address of `mobile` is bound to its current address and data passes both
 * ways; gives the virtual milliseconds that this took.
 */
export function converge(
  world: World,
  agent: HomeAgentHost,
  mobile: MobileHost,
  limitMs: number,
): number {
  const took = world.runUntil(`${mobile.name} converges`, limitMs, () => {
    for (const homeAddress of mobile.homeAddresses()) {
      if (isIpv4(homeAddress) && isAtHome(mobile)) continue;
      const wrong = wrongBinding(world, agent, mobile, homeAddress);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  });
  if (uplinks(mobile).length === 0) return took;
  return took + (isAtHome(mobile) ? flowsAtHome(world, mobile) : flowsAway(world, mobile));
}

/** A trial of a better path moves the binding, and a packet on its way is lost. */
function flowsAway(world: World, mobile: MobileHost): number {
  let lost = probe(world, mobile);
  return world.runUntil(`${mobile.name}: data`, 3000, () => {
    const wrong = lost();
    if (wrong !== undefined) world.runFor(300);
    const still = lost();
    if (still !== undefined) lost = probe(world, mobile);
    return still;
  });
}

/**
 * REACHABLE_TIME of a router that still has the link-layer address of the node's other interface,
 * and the probes after it.
 */
const NEIGHBOUR_UNREACHABLE_MS = 45_000;

function flowsAtHome(world: World, mobile: MobileHost): number {
  let lost = probe(world, mobile);
  return world.runUntil(`${mobile.name}: data at home`, NEIGHBOUR_UNREACHABLE_MS, () => {
    const wrong = lost();
    if (wrong !== undefined) lost = probe(world, mobile);
    world.runFor(100);
    return wrong;
  });
}

export { formatPrefix };
