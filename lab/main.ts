import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { inLab, reexecInLab } from './enter.ts';
import { HOST_KINDS, type HostKind, isHostKind } from './hosts/host-networking.ts';
import { MAP } from './map.ts';
import {
  isMobileRouterName,
  MOBILE_ROUTER_NAMES,
  type MobileRouterName,
} from './mobile-networks.ts';
import type { AttachmentPoint, NetworkName } from './network.ts';
import { ALL_NETWORKS, ATTACHMENT_POINTS, isAttachmentPoint, isNetworkName } from './networks.ts';
import {
  checkMobileNetwork,
  checkNetwork,
  type NetworkReport,
  startNatProbeServer,
} from './self-test.ts';
import { inNamespace, nowMs } from './shell.ts';
import { Lab, type LabOptions } from './topology.ts';

const USAGE = `usage: node lab/enter.ts -- node lab/main.ts shell|map|selftest [options]

  map        prints the lab's map
  shell      builds the lab and opens a shell in the namespace of the mobile node; the lab ends
             with the shell
  selftest   builds the lab, plugs the node into every network and checks addresses, reachability
             and NAT behaviour; then gives the mobile routers their addresses and checks the hosts
             behind them

  --networks NAME,…     networks to build, of: ${ALL_NETWORKS.join(' ')}; default all
  --mobile-routers NAME,…  mobile routers to build, each with its network, of:
                        ${MOBILE_ROUTER_NAMES.join(' ')}; default all; '' builds none
  --at NAME             network that the node of the shell is plugged into, or one behind a mobile
                        router (mr-lan); default home
  --namespace NAME      namespace of the shell; default mn
  --hosts KIND          what configures the nodes, of: ${HOST_KINDS.join(' ')}; default flush: the
                        kernel, and what a link gave is removed when the cable is pulled
  --delay-ms N          one-way delay between the core and each visited network
  --loss-percent N      loss in each direction there
  --no-offload          every link carries real 1500-byte frames
  --help
`;

interface Arguments {
  readonly command: string;
  readonly options: LabOptions;
  readonly at: AttachmentPoint;
  readonly namespace: string;
}

/** Throws if the command line is wrong, with the reason. */
function parseCommandLine(argv: readonly string[]): Arguments {
  const { positionals, values } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      networks: { type: 'string', default: ALL_NETWORKS.join(',') },
      'mobile-routers': { type: 'string', default: MOBILE_ROUTER_NAMES.join(',') },
      at: { type: 'string', default: 'home' },
      namespace: { type: 'string', default: 'mn' },
      hosts: { type: 'string', default: 'flush' },
      'delay-ms': { type: 'string', default: '0' },
      'loss-percent': { type: 'string', default: '0' },
      'no-offload': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const options = {
    networks: values.networks.split(',').map(networkName),
    nodes: { mn: ['eth0'] },
    hosts: hostKind(values.hosts),
    servers: ['server6', 'server4', 'ha2'] as const,
    mobileRouters: values['mobile-routers']
      .split(',')
      .filter((name) => name !== '')
      .map(routerName),
    delayMs: quantity(values['delay-ms'], '--delay-ms'),
    lossPercent: quantity(values['loss-percent'], '--loss-percent'),
    segmentationOffload: !values['no-offload'],
  };
  const command = values.help ? 'help' : (positionals[0] ?? 'help');
  return { command, options, at: attachmentPoint(values.at), namespace: values.namespace };
}

function networkName(name: string): NetworkName {
  if (!isNetworkName(name))
    throw new Error(`unknown network "${name}"; choose one of: ${ALL_NETWORKS.join(' ')}`);
  return name;
}

function hostKind(name: string): HostKind {
  if (!isHostKind(name))
    throw new Error(`unknown hosts "${name}"; choose one of: ${HOST_KINDS.join(' ')}`);
  return name;
}

function routerName(name: string): MobileRouterName {
  if (!isMobileRouterName(name))
    throw new Error(
      `unknown mobile router "${name}"; choose one of: ${MOBILE_ROUTER_NAMES.join(' ')}`,
    );
  return name;
}

function attachmentPoint(name: string): AttachmentPoint {
  if (!isAttachmentPoint(name))
    throw new Error(
      `unknown network "${name}"; choose one of: ${Object.keys(ATTACHMENT_POINTS).join(' ')}`,
    );
  return name;
}

function quantity(text: string, option: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 100_000)) throw new Error(`${option}: "${text}" is no quantity`);
  return value;
}

function reportLine({ network, addresses, nat, wrong }: NetworkReport): string {
  const behaviour =
    nat === undefined || network.nat.length === 0
      ? ''
      : `mapping ${nat.mapping}, filtering ${nat.filtering}`;
  const verdict = wrong.length === 0 ? 'ok  ' : 'FAIL';
  const line =
    `${verdict}  ${network.name.padEnd(10)} ${network.label.padEnd(31)} ` +
    `${addresses.join(' ').padEnd(38)} ${behaviour}`;
  return [line.trimEnd(), ...wrong.map((each) => `        ${each}`)].join('\n');
}

async function selfTest(options: LabOptions): Promise<number> {
  const startMs = nowMs();
  await using lab = await Lab.create(options);
  console.log(`built in ${Math.round(nowMs() - startMs)} ms: ${lab.namespaces.join(' ')}`);
  await startNatProbeServer(lab);
  let failed = 0;
  const print = (report: NetworkReport): void => {
    if (report.wrong.length > 0) failed += 1;
    console.log(reportLine(report));
  };
  for (const network of lab.networks.filter(({ name }) => isNetworkName(name)))
    print(await checkNetwork(lab, 'mn', network));
  for (const router of options.mobileRouters ?? []) print(await checkMobileNetwork(lab, router));
  return failed === 0 ? 0 : 1;
}

/**
 * An interactive shell gets the terminal. If standard input is not a terminal, the shell reads it
 * as a script.
 */
async function shell({ options, at, namespace }: Arguments): Promise<number> {
  await using lab = await Lab.create(options);
  await lab.move('mn', at);
  console.log(
    `${MAP}\nmn is plugged into ${at}; this shell is in ${namespace}. Another: nsenter ` +
      `--net=/run/netns/NAME\n`,
  );
  process.on('SIGINT', () => undefined);
  const [command = '', ...args] = inNamespace(namespace, ['bash']);
  const child = spawn(command, args, {
    stdio: 'inherit',
    env: { ...process.env, PS1: `[lab ${namespace}] \\w \\$ ` },
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('exit', (code) => resolve(code ?? 1));
  return await promise;
}

async function main(): Promise<number> {
  const commandLine = parseCommandLine(process.argv.slice(2));
  if (commandLine.command === 'map') console.log(MAP);
  if (commandLine.command === 'help') console.log(USAGE);
  if (commandLine.command === 'map' || commandLine.command === 'help') return 0;
  if (!inLab()) return await reexecInLab([process.execPath, ...process.argv.slice(1)]);
  if (commandLine.command === 'selftest') return await selfTest(commandLine.options);
  if (commandLine.command === 'shell') return await shell(commandLine);
  throw new Error(`no command "${commandLine.command}"`);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`lab: ${error instanceof Error ? error.message : String(error)}\n(see --help)`);
  process.exitCode = 1;
}
