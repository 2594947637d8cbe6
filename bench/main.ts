/**
 * `npm run -s bench -- NAME [--json]`: the benchmarks, each with its peers in the same run. Runs
 * inside the lab's namespaces; `--help` lists the names.
 */
import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError } from 'commander';
import { ATTACK_KEYS, type AttackSettings, attacks } from './attacks.ts';
import { type CoordinatorSettings, directionCoordinator } from './direction-coordinator.ts';
import { type HandoverSettings, handover } from './handover.ts';
import { homeAgent } from './home-agent.ts';
import { type MatrixSettings, matrix } from './matrix.ts';
import { type MemorySettings, memory } from './memory.ts';
import { MOVING_NODES, type MovingNode } from './moves/mover.ts';
import { type MovesSettings, moves } from './moves.ts';
import { type NtmobileHandoverSettings, ntmobileHandover } from './ntmobile-handover.ts';
import { type OutageSettings, outages } from './outages.ts';
import { type PrefixSettings, prefixCost } from './prefixes.ts';
import { type RelaySettings, relay } from './relay.ts';
import { printReport } from './support/report.ts';
import { throughput } from './throughput.ts';
import { type TranslationSettings, translation } from './translation.ts';

function numbers(text: string): readonly number[] {
  return text.split(',').filter(Boolean).map(Number);
}

function nodesOf(text: string): readonly MovingNode[] {
  return text.split(',').map((name) => {
    const node = MOVING_NODES.find((one) => one === name);
    if (node === undefined) throw new InvalidArgumentError(`${name} is neither mn nor mr`);
    return node;
  });
}

const program = new Command('bench').description(
  'Compares Sojourn with its peers; prints a table, or one JSON object with --json.',
);

program
  .command('throughput')
  .description(
    'TCP throughput of one flow, small UDP packets and round trips in udp, ipip and sealed ' +
      'tunnels, beside a plain cable, VXLAN, wireguard-go and OpenVPN',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--seconds <n>', 'length of one measurement', Number, 3)
  .option('--repeats <n>', 'rounds; medians are printed', Number, 3)
  .option('--threads <n>', 'threads of the data plane at each end', Number, 2)
  .option('--real-frames', 'no segmentation offload on the cable: 1500-octet frames', false)
  .option('--no-udp', 'leave out the search for UDP packets per second')
  .option(
    '--only <name,…>',
    'wireguard-go, OpenVPN, udp, ipip, sealed, keys by hand; default: all',
    (text) => text.split(','),
    [],
  )
  .action(
    async (options: {
      json: boolean;
      seconds: number;
      repeats: number;
      threads: number;
      realFrames: boolean;
      udp: boolean;
      only: readonly string[];
    }) => {
      const { json, realFrames, ...settings } = options;
      printReport(await throughput({ ...settings, segmentationOffload: !realFrames }), json);
    },
  );

program
  .command('handover')
  .description(
    'interruption at a move, from the new care-of address to the first packet, by kind of ' +
      'move, in plaintext and sealed, beside wireguard-go and OpenVPN; first registrations',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--moves <n>', 'moves of each kind', Number, 50)
  .option(
    '--delay <ms,…>',
    'one-way delays to the visited networks, a run for each',
    numbers,
    [0, 20],
  )
  .option('--peer-moves <n>', 'moves of each kind of wireguard-go and OpenVPN', Number, 5)
  .option('--no-peers', 'leave out wireguard-go and OpenVPN')
  .option('--no-sojourn', 'leave out Sojourn')
  .option('--no-plaintext', 'leave out Sojourn in plaintext')
  .option('--registrations <n>', 'first registrations over each address family', Number, 10)
  .action(async ({ json, ...settings }: { json: boolean } & HandoverSettings) => {
    printReport(await handover(settings), json);
  });

program
  .command('moves')
  .description(
    'random moves of a sealed mobile node and mobile router, with NATs, both families and the ' +
      'home link: handshakes, resets, stalls',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--moves <n>', 'moves of each node', Number, 1000)
  .option('--nodes <name,…>', 'mn, mr, or both, which move at the same time', nodesOf, MOVING_NODES)
  .option('--delay <ms>', 'one-way delay to the visited networks', Number, 20)
  .option('--seed <n>', 'repeats a run', Number, randomInt(2 ** 31))
  .action(async ({ json, ...settings }: { json: boolean } & MovesSettings) => {
    printReport(await moves(settings), json);
  });

program
  .command('outages')
  .description(
    'time without data when a path or the home agent fails in silence, by what fails and which ' +
      'end sends, beside strongSwan and OpenVPN',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--repeats <n>', 'outages of each kind', Number, 5)
  .option('--peer-repeats <n>', 'the same for strongSwan and OpenVPN', Number, 3)
  .option('--only <key,…>', 'ipv6_path, home_agent, nat, dns, restart; default: all')
  .option('--no-peers', 'leave out strongSwan and OpenVPN')
  .option('--no-sojourn', 'leave out Sojourn')
  .action(async ({ json, ...settings }: { json: boolean } & OutageSettings) => {
    printReport(await outages(settings), json);
  });

program
  .command('home-agent')
  .description(
    'authenticated Binding Updates and handshakes per second on one core and memory for each ' +
      'binding, in plaintext and sealed, engine alone and with the reconciler',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--bindings <n,…>', 'numbers of mobile nodes, a run for each', numbers, [10_000, 100_000])
  .option('--updates <n>', 'least number of Binding Updates of each kind in a run', Number, 100_000)
  .option('--sealed <n,…>', 'numbers of mobile nodes that seal, a run for each', numbers, [20_000])
  .action(
    async ({
      json,
      ...settings
    }: {
      json: boolean;
      bindings: readonly number[];
      updates: number;
      sealed: readonly number[];
    }) => {
      printReport(await homeAgent(settings), json);
    },
  );

program
  .command('prefixes')
  .description(
    'throughput of a flow by host routes, by the prefix of a mobile router, and by one of ' +
      'many prefixes, in the same run',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--seconds <n>', 'length of one measurement', Number, 3)
  .option('--repeats <n>', 'rounds; medians are printed', Number, 5)
  .option('--threads <n>', 'threads of the data plane at each end', Number, 2)
  .option('--prefixes <n>', 'number of prefixes of the third contender', Number, 10_000)
  .action(async ({ json, ...settings }: { json: boolean } & PrefixSettings) => {
    printReport(await prefixCost(settings), json);
  });

program
  .command('memory')
  .description('memory of a home agent with bindings, and of a coordinator and a relay with nodes')
  .option('--json', 'one JSON object on standard output', false)
  .option('--bindings <n>', 'bindings of the home agent', Number, 50_000)
  .option('--nodes <n>', 'nodes of the coordinator, and of the relay', Number, 20_000)
  .action(async ({ json, ...settings }: { json: boolean } & MemorySettings) => {
    printReport(await memory(settings), json);
  });

program
  .command('direction-coordinator')
  .description(
    'directions per second of the direction coordinator’s engine on one core, and memory for ' +
      'each registered node',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option(
    '--nodes <n,…>',
    'numbers of registered nodes, a run for each',
    numbers,
    [10_000, 100_000],
  )
  .option('--directions <n>', 'Direction Requests in a run', Number, 20_000)
  .action(async ({ json, ...settings }: { json: boolean } & CoordinatorSettings) => {
    printReport(await directionCoordinator(settings), json);
  });

program
  .command('matrix')
  .description(
    'reachability between NAT types: NTMobile after start and after moves, and Debian’s ' +
      'Teredo',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--no-ntmobile', 'leave out NTMobile')
  .option('--no-teredo', 'leave out Teredo')
  .action(async ({ json, ...settings }: { json: boolean } & MatrixSettings) => {
    printReport(await matrix(settings), json);
  });

program
  .command('translation')
  .description(
    'TCP throughput of one flow between a host with IPv4 and one with IPv6, translated by the' +
      ' data plane and by tayga, without tunnels',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--seconds <n>', 'length of one measurement', Number, 3)
  .option('--repeats <n>', 'rounds; medians are printed', Number, 3)
  .option('--threads <n>', 'threads of the data plane', Number, 2)
  .action(async ({ json, ...settings }: { json: boolean } & TranslationSettings) => {
    printReport(await translation(settings), json);
  });

program
  .command('ntmobile-handover')
  .description(
    'interruption between two NTMobile nodes when one or both move, and time from a name to ' +
      'its first octet, in round trips of the lab’s links',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--moves <n>', 'moves, at least', Number, 100)
  .option('--delay <ms>', 'one-way delay to the visited networks', Number, 20)
  .option('--names <n>', 'names of general servers, at most 32', Number, 20)
  .action(async ({ json, ...settings }: { json: boolean } & NtmobileHandoverSettings) => {
    printReport(await ntmobileHandover(settings), json);
  });

program
  .command('relay')
  .description(
    'TCP throughput of one flow and round trips between two nodes joined by a relay, beside ' +
      'the same tunnel without it',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--seconds <n>', 'length of one measurement', Number, 3)
  .option('--repeats <n>', 'rounds; medians are printed', Number, 5)
  .option('--threads <n>', 'threads of each data plane', Number, 2)
  .action(async ({ json, ...settings }: { json: boolean } & RelaySettings) => {
    printReport(await relay(settings), json);
  });

program
  .command('attacks')
  .description(
    'floods against real daemons with the attacker on the same cores: rate, success and latency ' +
      'of honest clients, memory, counters',
  )
  .option('--json', 'one JSON object on standard output', false)
  .option('--seconds <n>', 'time of each attack in which honest attempts count', Number, 5)
  .option('--rate <n>', 'packets or attempts a second of every attack', Number)
  .option('--only <key,…>', `targets or attacks: ${ATTACK_KEYS.join(', ')}; default: all`, (text) =>
    text.split(','),
  )
  .action(async ({ json, ...settings }: { json: boolean } & AttackSettings) => {
    printReport(await attacks(settings), json);
  });

await program.parseAsync();
