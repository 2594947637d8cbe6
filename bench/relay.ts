/**
 * Measures the cost of a relay: the same sealed tunnel between two hosts, forwarded either by the
 * kernel of the host between them, or by a relay's plane on that host, within each family and
 * between the families. Keys and legs are set by hand, because the benchmark measures only the
 * plane.
 *
 *      left                               middle                              right
 *      198.51.100.2   2001:db8:f::2 ----- .1   ::1  203.0.113.1  2001:db8:e::1 ----- 203.0.113.2
 *                     2001:db8:e::2
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { ipv4, ipv6 } from '#base/ip.ts';
import type { DesiredRelayLeg } from '#engine/contract/ntmobile.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { Background, ipBatch, run, runSync } from '#lab/shell.ts';
import { IperfServer, roundTrip, tcp } from './support/measure.ts';
import type { RelayEnd } from './support/relay-end.ts';
import { median, progress, type Report, type Row, thisMachine } from './support/report.ts';
import type { SealedEnd } from './support/sealed-end.ts';

export interface RelaySettings {
  readonly seconds: number;
  readonly repeats: number;
  readonly threads: number;
}

type Family = 4 | 6;
const NAMESPACES = {
  left: 'relayed-left',
  middle: 'relayed-middle',
  right: 'relayed-right',
} as const;
const IPERF_PORT = 5201;
const LEG = { left: 0x1111111, right: 0x2222222 } as const;
/** The host's address and the middle host's address on that cable. */
const ENDS = {
  left: { 4: ['198.51.100.2', '198.51.100.1'], 6: ['2001:db8:f::2', '2001:db8:f::1'] },
  right: { 4: ['203.0.113.2', '203.0.113.1'], 6: ['2001:db8:e::2', '2001:db8:e::1'] },
} as const;
/** The same for all contenders, as if each used IPv6 and an envelope. */
const MTU = 1500 - 40 - 8 - 24 - 4;

interface Plan {
  readonly name: string;
  readonly key: 'direct' | 'ipv4' | 'ipv6' | 'mixed';
  readonly left: Family;
  readonly right: Family;
  readonly number: number;
}

const PLANS: readonly Plan[] = [
  { name: 'direct, IPv4', key: 'direct', left: 4, right: 4, number: 0 },
  { name: 'relay, IPv4', key: 'ipv4', left: 4, right: 4, number: 1 },
  { name: 'relay, IPv6', key: 'ipv6', left: 6, right: 6, number: 2 },
  { name: 'relay, IPv4 to IPv6', key: 'mixed', left: 4, right: 6, number: 3 },
];

interface Contender extends Plan {
  readonly server: string;
  readonly processes: readonly Background[];
  readonly sample: { readonly up: number[]; readonly down: number[]; readonly p50: number[] };
}

async function build(): Promise<void> {
  const { left, middle, right } = NAMESPACES;
  await ipBatch([
    ...[left, middle, right].map((name) => `netns add ${name}`),
    `link add eth0 netns ${left} type veth peer name left netns ${middle}`,
    `link add eth0 netns ${right} type veth peer name right netns ${middle}`,
  ]);
  const forward =
    'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding';
  await run(['sh', '-ec', forward], { namespace: middle });
  for (const side of ['left', 'right'] as const) {
    const [[own4, middle4], [own6, middle6]] = [ENDS[side][4], ENDS[side][6]];
    await ipBatch(
      [
        ...[
          'link set lo up',
          'link set eth0 up',
          `address add ${own4}/24 dev eth0`,
          `address add ${own6}/64 dev eth0 nodad`,
        ],
        ...[`route add default via ${middle4}`, `route add ::/0 via ${middle6}`],
      ],
      { namespace: NAMESPACES[side] },
    );
    await ipBatch(
      [
        `link set ${side} up`,
        `address add ${middle4}/24 dev ${side}`,
        `address add ${middle6}/64 dev ${side} nodad`,
      ],
      { namespace: middle },
    );
  }
}

function legOf(side: 'left' | 'right', family: Family, port: number): DesiredRelayLeg {
  const [own, middle] = ENDS[side][family];
  const at = (text: string) => (family === 4 ? ipv4(text) : ipv6(text));
  const [index, other] = side === 'left' ? [LEG.left, LEG.right] : [LEG.right, LEG.left];
  // More than any contender can carry.
  const rateKilobits = 1_000_000_000;
  return {
    index,
    other,
    path: {
      carrier: 'udp',
      local: at(middle),
      localPort: port,
      remote: at(own),
      remotePort: port,
      validated: true,
    },
    rateKilobits,
  };
}

async function launch(
  namespace: string,
  file: string,
  end: SealedEnd | RelayEnd,
  directory: string,
): Promise<Background> {
  const argv = [process.execPath, join(import.meta.dirname, 'support', file), JSON.stringify(end)];
  const background = new Background(argv, { namespace, logFile: `${directory}/${end.device}.log` });
  await background.ready('ready');
  return background;
}

async function start(plan: Plan, directory: string, threads: number): Promise<Contender> {
  const port = 7890 + plan.number;
  const inner = { left: `10.6.${plan.number}.1`, right: `10.6.${plan.number}.2` };
  const [up, down] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
  const processes: Background[] = [];
  if (plan.key !== 'direct') {
    const legs = [legOf('left', plan.left, port), legOf('right', plan.right, port)];
    processes.push(
      await launch(
        NAMESPACES.middle,
        'relay-end.ts',
        { device: `switch${plan.number}`, threads, port, legs },
        directory,
      ),
    );
  }
  for (const side of ['left', 'right'] as const) {
    const family = plan[side];
    const [own, middle] = ENDS[side][family];
    const direct = plan.key === 'direct';
    const end: SealedEnd = {
      ...{
        device: `sealed${plan.number}${side[0]}`,
        lookup: side === 'left' ? 'inner-source' : 'inner-destination',
        threads,
        port,
      },
      ...{
        local: own,
        remote: direct ? ENDS[side === 'left' ? 'right' : 'left'][family][0] : middle,
        mtu: MTU,
      },
      ...{ inner: inner.left, cipher: 'aes-128-gcm' },
      ...(side === 'left' ? { sendKey: up, receiveKey: down } : { sendKey: down, receiveKey: up }),
      ...(direct ? {} : { relayIndex: LEG[side] }),
    };
    processes.push(await launch(NAMESPACES[side], 'sealed-end.ts', end, directory));
    await ipBatch([`address add ${inner[side]}/24 dev ${end.device}`], {
      namespace: NAMESPACES[side],
    });
  }
  return { ...plan, server: inner.right, processes, sample: { up: [], down: [], p50: [] } };
}

async function measure({ name, server, sample }: Contender, seconds: number): Promise<void> {
  progress(name);
  const to = { namespace: NAMESPACES.right, address: server };
  sample.up.push(await tcp(NAMESPACES.left, to, IPERF_PORT, seconds, false));
  sample.down.push(await tcp(NAMESPACES.left, to, IPERF_PORT, seconds, true));
  sample.p50.push((await roundTrip(NAMESPACES.left, to, 300)).p50Us);
}

function rowOf({ name, sample }: Contender, base: Contender['sample']): Row {
  return {
    way: name,
    'TCP up Gbit/s': median(sample.up),
    '× direct': median(sample.up) / median(base.up),
    'TCP down Gbit/s': median(sample.down),
    '× direct ': median(sample.down) / median(base.down),
    'RTT p50 µs': median(sample.p50),
    'added µs': median(sample.p50) - median(base.p50),
  };
}

export async function relay(settings: RelaySettings): Promise<Report> {
  const directory = mkdtempSync(`${LAB_DIRECTORY}/relay-`);
  const contenders: Contender[] = [];
  let server: IperfServer | undefined;
  try {
    await build();
    for (const plan of PLANS) contenders.push(await start(plan, directory, settings.threads));
    server = await IperfServer.start(NAMESPACES.right, IPERF_PORT, directory);
    for (let repeat = 0; repeat < settings.repeats; repeat += 1) {
      progress(`round ${repeat + 1} of ${settings.repeats}`);
      for (const contender of contenders) await measure(contender, settings.seconds);
    }
    const [direct, ...relayed] = contenders;
    if (direct === undefined) throw new Error('no direct path');
    const results: Record<string, number> = {};
    for (const { key, sample } of relayed) {
      results[`relay_${key}_tcp_up_per_direct`] = median(sample.up) / median(direct.sample.up);
      results[`relay_${key}_tcp_down_per_direct`] =
        median(sample.down) / median(direct.sample.down);
      results[`relay_${key}_rtt_added_us`] = median(sample.p50) - median(direct.sample.p50);
    }
    const rows = contenders.map((contender) => rowOf(contender, direct.sample));
    return { benchmark: 'relay', machine: thisMachine(), settings: { ...settings }, rows, results };
  } finally {
    await server?.stop();
    for (const { processes } of contenders)
      for (const each of processes) await each.stop('SIGTERM');
    for (const namespace of Object.values(NAMESPACES))
      runSync(['ip', 'netns', 'delete', namespace]);
  }
}
