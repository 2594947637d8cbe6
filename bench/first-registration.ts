/**
 * Measures the first registration of a sealed mobile node: the handshake that carries it, by a
 * daemon that was just started and has no keys.
 *
 * The time begins when the care-of address is usable. It ends when the node may send data, which is
 * one way before its first packet arrives at the correspondent. Both ends are cold: neither has the
 * keys of an earlier session, and the node's program has made no handshake yet.
 */
import {
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  waitForHomeAddresses,
} from '#lab/daemons.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { nowMs, waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { Probe } from './support/probe.ts';
import { median, percentile, progress, type Row } from './support/report.ts';
import { resolveNeighbours, stallMs, usableSince } from './support/stall.ts';

/** Times without the round trip, milliseconds. */
export interface FirstRegistrations {
  readonly family: 4 | 6;
  readonly delayMs: number;
  readonly ownMs: readonly number[];
}

const NETWORKS = { 6: 'ar6', 4: 'ar4' } as const satisfies Record<4 | 6, NetworkName>;
const INTERVAL_US = 500;
const PATIENCE_MS = 15_000;
const OPTIONS = {
  ...{ homeLink: false, sealed: true },
  homeAgentAddresses: [ADDRESSES.homeAgentIpv6, ADDRESSES.homeAgentIpv4],
} as const;

/** `count` first registrations over each family, to a home agent `delayMs` one way off. */
export async function firstRegistrations(
  delayMs: number,
  count: number,
): Promise<readonly FirstRegistrations[]> {
  await using lab = await Lab.create({ networks: Object.values(NETWORKS), delayMs });
  await resolveNeighbours(lab);
  const homeAgent = new DaemonProcess(lab, 'ha', 'home', homeAgentConfiguration(OPTIONS));
  await homeAgent.start();
  const found: FirstRegistrations[] = [];
  try {
    for (const family of [6, 4] as const) {
      progress(`first registrations over IPv${family}, ${delayMs} ms one way: ${count}`);
      const ownMs: number[] = [];
      for (let at = 0; at < count; at += 1) {
        const name = `${family}.${delayMs}.${at}`;
        ownMs.push((await register(lab, NETWORKS[family], name)) - 3 * delayMs);
      }
      found.push({ family, delayMs, ownMs });
    }
  } finally {
    await homeAgent.stop();
  }
  return found;
}

/** From the usable care-of address to the first packet at the correspondent. */
async function register(lab: Lab, network: NetworkName, name: string): Promise<number> {
  await lab.unplug('mn');
  const mobileNode = new DaemonProcess(lab, 'mn', 'mn', mobileNodeConfiguration(OPTIONS));
  await mobileNode.start();
  await waitForHomeAddresses('mn', [HOME.virtualAddress]);
  const mobile = { namespace: 'mn', address: HOME.virtualAddress };
  const correspondent = { namespace: 'cn', address: ADDRESSES.correspondentIpv6 };
  const intervalUs = INTERVAL_US;
  const receiver = await Probe.start(lab, correspondent, mobile, {
    ...{ sends: false, intervalUs, logName: `probe.cn.first.${name}` },
  });
  const sender = await Probe.start(lab, mobile, correspondent, {
    ...{ sends: true, watch: 'eth0', intervalUs, logName: `probe.mn.first.${name}` },
  });
  try {
    const pulledUs = nowMs() * 1000;
    await lab.move('mn', network);
    return await waitFor(
      async () => {
        const sinceUs = usableSince(sender, network);
        return sinceUs === undefined ? undefined : stallMs(receiver, sinceUs, pulledUs);
      },
      { timeoutMs: PATIENCE_MS, intervalMs: 40, what: 'data of a node that registers' },
    );
  } finally {
    await sender.stop();
    await receiver.stop();
    // Plugged in, so that it de-registers: the next one is new to the home agent too.
    await mobileNode.stop();
  }
}

const KIND = 'first registration' as const;

export function registrationRow({ family, delayMs, ownMs }: FirstRegistrations): Row {
  return {
    ...{ tunnel: `Sojourn sealed, ${KIND}`, 'delay ms': delayMs, traffic: 'node sends' },
    ...{ move: `→ IPv${family}`, moves: ownMs.length },
    'median ms': median(ownMs) + 2 * delayMs,
    'p95 ms': percentile(ownMs, 95) + 2 * delayMs,
    'max ms': percentile(ownMs, 100) + 2 * delayMs,
    'median without round trip ms': median(ownMs),
  };
}

export function registrationResults(
  all: readonly FirstRegistrations[],
): Record<string, number | null> {
  const results: Record<string, number | null> = {};
  for (const { family, delayMs, ownMs } of all) {
    const key = `first_registration_ipv${family}_${delayMs}_ms_without_round_trip`;
    results[`${key}_median_ms`] = ownMs.length === 0 ? null : median(ownMs);
    results[`${key}_p95_ms`] = ownMs.length === 0 ? null : percentile(ownMs, 95);
  }
  return results;
}
