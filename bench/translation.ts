/**
 * Measures translation between the families without tunnels: one TCP flow from an IPv4 host to an
 * IPv6 host, through Debian's tayga and through the data plane, at the same position and in the
 * same run:
 *
 *      client                     translator                          server
 *      198.51.100.2/24 --------- 198.51.100.1   2001:db8:80::1 ------ 2001:db8:80::80
 *      2001:db8:81::2/64          a TUN of each translator: 192.0.2.N leads to it and to the server
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ipv4, ipv6 } from '#base/ip.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { Background, ipBatch, run } from '#lab/shell.ts';
import { IperfServer, roundTrip, tcp } from './support/measure.ts';
import { median, progress, type Report, type Row, thisMachine } from './support/report.ts';
import type { TranslationEnd } from './support/translation-end.ts';

export interface TranslationSettings {
  readonly seconds: number;
  readonly repeats: number;
  readonly threads: number;
}

const NAMESPACES = {
  client: 'nat64-client',
  translator: 'nat64-translator',
  server: 'nat64-server',
} as const;
const CLIENT4 = '198.51.100.2';
const CLIENT6 = '2001:db8:81::2';
const SERVER6 = '2001:db8:80::80';
const PORT = 5201;

interface Contender extends AsyncDisposable {
  readonly name: string;
  readonly key: 'plain' | 'tayga' | 'sojourn';
  /** The server's address, as the client sees it. */
  readonly server: string;
}

interface Sample {
  readonly up: number[];
  readonly down: number[];
  readonly p50: number[];
}

async function build(): Promise<void> {
  const { client, translator, server } = NAMESPACES;
  await ipBatch([
    ...[client, translator, server].map((name) => `netns add ${name}`),
    `link add eth0 netns ${client} type veth peer name eth0 netns ${translator}`,
    `link add eth1 netns ${translator} type veth peer name eth0 netns ${server}`,
  ]);
  const forward =
    'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding';
  await run(['sh', '-ec', forward], { namespace: translator });
  const up = ['link set lo up', 'link set eth0 up'];
  await ipBatch(
    [
      ...[...up, `address add ${CLIENT4}/24 dev eth0`, `address add ${CLIENT6}/64 dev eth0 nodad`],
      ...['route add default via 198.51.100.1', 'route add ::/0 via 2001:db8:81::1'],
    ],
    { namespace: client },
  );
  await ipBatch(
    [
      ...[...up, 'link set eth1 up', 'address add 198.51.100.1/24 dev eth0'],
      ...[
        'address add 2001:db8:81::1/64 dev eth0 nodad',
        'address add 2001:db8:80::1/64 dev eth1 nodad',
      ],
    ],
    { namespace: translator },
  );
  await ipBatch(
    [...up, `address add ${SERVER6}/64 dev eth0 nodad`, 'route add ::/0 via 2001:db8:80::1'],
    {
      namespace: server,
    },
  );
}

/**
 * The addresses routed to a translator: the server's IPv4 address, and the client's IPv6 address
 * behind it.
 */
async function routeThrough(device: string, serverIn4: string, clientIn6: string): Promise<void> {
  await ipBatch(
    [`route add ${serverIn4}/32 dev ${device}`, `route add ${clientIn6}/128 dev ${device}`],
    {
      namespace: NAMESPACES.translator,
    },
  );
}

async function tayga(directory: string): Promise<Contender> {
  const [server, client6] = ['192.0.2.2', '2001:db8:64::2'];
  const file = `${directory}/tayga.conf`;
  const lines = ['tun-device tayga0', 'ipv4-addr 192.0.2.254', 'ipv6-addr 2001:db8:64::ffff'];
  lines.push(`map ${server} ${SERVER6}`, `map ${CLIENT4} ${client6}`, `data-dir ${directory}`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  const namespace = NAMESPACES.translator;
  await run(['tayga', '-c', file, '--mktun'], { namespace });
  await ipBatch(['link set tayga0 up'], { namespace });
  await routeThrough('tayga0', server, client6);
  const background = new Background(['tayga', '-c', file, '--nodetach'], {
    namespace,
    logFile: `${directory}/tayga.log`,
  });
  return {
    ...{ name: "tayga (Debian's)", key: 'tayga', server },
    [Symbol.asyncDispose]: async () => {
      await background.stop('SIGTERM');
    },
  };
}

async function sojourn(directory: string, threads: number): Promise<Contender> {
  const [server, client6] = ['192.0.2.3', '2001:db8:64::3'];
  const end: TranslationEnd = {
    ...{ device: 'sojourn0', threads },
    translations: [
      { side: 'near', inner: ipv4(CLIENT4), outer: ipv6(client6) },
      { side: 'far', inner: ipv4(server), outer: ipv6(SERVER6) },
    ],
  };
  const namespace = NAMESPACES.translator;
  const argv = [
    process.execPath,
    join(import.meta.dirname, 'support/translation-end.ts'),
    JSON.stringify(end),
  ];
  const background = new Background(argv, { namespace, logFile: `${directory}/sojourn.log` });
  await background.ready('ready');
  await routeThrough('sojourn0', server, client6);
  return {
    ...{ name: `Sojourn, ${threads} thread${threads === 1 ? '' : 's'}`, key: 'sojourn', server },
    [Symbol.asyncDispose]: async () => {
      await background.stop('SIGTERM');
    },
  };
}

function plain(): Contender {
  return {
    name: 'forwarding, IPv6',
    key: 'plain',
    server: SERVER6,
    [Symbol.asyncDispose]: async () => {},
  };
}

async function measure(contender: Contender, sample: Sample, seconds: number): Promise<void> {
  progress(contender.name);
  const to = { namespace: NAMESPACES.server, address: contender.server };
  sample.up.push(await tcp(NAMESPACES.client, to, PORT, seconds, false));
  sample.down.push(await tcp(NAMESPACES.client, to, PORT, seconds, true));
  sample.p50.push((await roundTrip(NAMESPACES.client, to, 300)).p50Us);
}

export async function translation(settings: TranslationSettings): Promise<Report> {
  const directory = mkdtempSync(`${LAB_DIRECTORY}/translation-`);
  await build();
  const contenders = [plain(), await tayga(directory), await sojourn(directory, settings.threads)];
  const server = await IperfServer.start(NAMESPACES.server, PORT, directory);
  const samples = contenders.map((): Sample => ({ up: [], down: [], p50: [] }));
  try {
    for (let repeat = 0; repeat < settings.repeats; repeat += 1) {
      progress(`round ${repeat + 1} of ${settings.repeats}`);
      for (const [at, contender] of contenders.entries()) {
        const sample = samples[at];
        if (sample !== undefined) await measure(contender, sample, settings.seconds);
      }
    }
  } finally {
    await server.stop();
    for (const contender of contenders) await contender[Symbol.asyncDispose]();
    await ipBatch(Object.values(NAMESPACES).map((name) => `netns delete ${name}`));
  }
  const of = (key: Contender['key'], way: 'up' | 'down'): number =>
    median(samples[contenders.findIndex((each) => each.key === key)]?.[way] ?? []);
  const ratio = (way: 'up' | 'down'): number => of('sojourn', way) / of('tayga', way);
  const rows = contenders.map(
    ({ name, key }, at): Row => ({
      ...{
        translator: name,
        'TCP up Gbit/s': of(key, 'up'),
        '× tayga': of(key, 'up') / of('tayga', 'up'),
      },
      ...{ 'TCP down Gbit/s': of(key, 'down'), '× tayga ': of(key, 'down') / of('tayga', 'down') },
      'RTT p50 µs': median(samples[at]?.p50 ?? []),
    }),
  );
  return {
    ...{ benchmark: 'translation', machine: thisMachine(), settings: { ...settings }, rows },
    results: {
      translation_tcp_up_per_tayga: ratio('up'),
      translation_tcp_down_per_tayga: ratio('down'),
    },
  };
}
