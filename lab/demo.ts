/**
 * `npm run demo`: a mobile node visits every kind of network during two real downloads (from its
 * IPv6 and its IPv4 home address) and two pings. `npm run demo -- nemo`: a mobile router visits
 * them, with ordinary hosts behind it that serve and download. `npm run demo -- plaintext`: a
 * mobile node without encryption, as other implementations need it. `npm run demo -- ntmobile`: two
 * nodes, each behind its own NAT, move during downloads from each other and from a web server of
 * the other address family. Ends with a table of the moves; exit code 1 if a connection broke, a
 * checksum is wrong, or an access network showed what the tunnel has to hide.
 *
 *   node lab/enter.ts -- node lab/demo.ts [node|nemo|plaintext|ntmobile] [--hosts KIND]
 *   [--stay SECONDS] [--rate OCTETS] [--json] [--keep-logs DIRECTORY]
 *
 * `--rate` is for slow machines: octets per second of each download.
 */
import { parseArgs } from 'node:util';
import type { DemoOutput } from './demo/demo-output.ts';
import { MOBILE_NETWORK, MOBILE_NODE, PLAINTEXT_NODE } from './demo/demo-setup.ts';
import { runJourney } from './demo/journey.ts';
import { NTMOBILE_LAB, runNtmobileDemo } from './demo/ntmobile.ts';
import { HOST_KINDS, isHostKind } from './hosts/host-networking.ts';
import { Lab, type LabOptions } from './topology.ts';

interface Demo {
  readonly about: string;
  readonly lab: LabOptions;
  /** Resolves with false if a connection broke, a checksum is wrong or a capture shows a leak. */
  run(lab: Lab, output: DemoOutput): Promise<boolean>;
}

/** By the argument after `npm run demo --`; the first is the default. */
const DEMOS: Readonly<Record<string, Demo>> = {
  node: {
    about: 'a mobile node, encrypted (default)',
    lab: MOBILE_NODE.lab,
    run: (lab, output) => runJourney(lab, MOBILE_NODE, output),
  },
  nemo: {
    about: 'a mobile router with a network of ordinary hosts, encrypted',
    lab: MOBILE_NETWORK.lab,
    run: (lab, output) => runJourney(lab, MOBILE_NETWORK, output),
  },
  plaintext: {
    about: 'a mobile node with RFC 4285 and tunnels in clear',
    lab: PLAINTEXT_NODE.lab,
    run: (lab, output) => runJourney(lab, PLAINTEXT_NODE, output),
  },
  ntmobile: {
    about:
      'an IPv4-only node with an IPv6-only server, and with another node, behind ' +
      'translators; Teredo beside it',
    lab: NTMOBILE_LAB,
    run: runNtmobileDemo,
  },
};

const NAMES = Object.keys(DEMOS);
const USAGE = `usage: npm run demo [-- [${NAMES.join('|')}]
                        [--hosts ${HOST_KINDS.join('|')}]
                        [--stay SECONDS] [--rate OCTETS] [--json] [--keep-logs DIRECTORY]]`;
/** What configures the interfaces of the nodes that move. */
const HOSTS = `\
  --hosts flush            the kernel; the lab removes what a link gave (default)
  --hosts kernel           the kernel alone; nothing is removed
  --hosts networkmanager   NetworkManager
  --hosts networkd         systemd-networkd`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    hosts: { type: 'string', default: 'flush' },
    stay: { type: 'string', default: '3' },
    rate: { type: 'string' },
    json: { type: 'boolean', default: false },
    'keep-logs': { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const OUTPUT: DemoOutput = {
  stayMs: Number(options.stay) * 1000,
  rate: options.rate === undefined ? undefined : Number(options.rate),
  print: (text) => {
    if (!options.json) console.log(text);
  },
  report: (result) => {
    if (options.json) console.log(JSON.stringify(result));
  },
};

const demo = positionals.length > 1 ? undefined : DEMOS[positionals[0] ?? 'node'];
if (options.help) {
  const width = Math.max(...NAMES.map((name) => name.length));
  const lines = Object.entries(DEMOS).map(
    ([name, { about }]) => `  ${name.padEnd(width)}   ${about}`,
  );
  console.log(`${USAGE}\n\n${lines.join('\n')}\n\n${HOSTS}`);
} else if (demo === undefined) {
  console.error(`demo: no demo "${positionals.join(' ')}"\n${USAGE}`);
  process.exitCode = 64;
} else if (!isHostKind(options.hosts)) {
  console.error(`demo: no hosts "${options.hosts}"\n${USAGE}`);
  process.exitCode = 64;
} else {
  const logs = options['keep-logs'];
  OUTPUT.print('building the lab: networks, routers and NATs in separate namespaces …');
  await using lab = await Lab.create({
    ...demo.lab,
    hosts: options.hosts,
    ...(logs === undefined ? {} : { logDirectory: logs }),
  });
  try {
    process.exitCode = (await demo.run(lab, OUTPUT)) ? 0 : 1;
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
