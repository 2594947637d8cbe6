import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ExitCode } from '#daemon/exit-codes.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { dynamicAddresses } from '#lab/hosts/dynamic-addresses.ts';
import { KernelHost } from '#lab/hosts/kernel-host.ts';
import { attempt, type Finished, waitFor } from '#lab/shell.ts';
import { example, exampleFile, exampleText } from '#test/netns/helpers/examples.ts';
import { Journey } from '#test/netns/helpers/journey.ts';

/**
 * The examples of a mobile router, of radvd and of dnsmasq as an operator would use them, with a
 * host behind it and a home agent from its own example:
 *
 *   ha ~~~ tunnel ~~~ mr, radvd, dnsmasq  lan1 ---- lan  mr-a
 */

const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
const MAIN = new URL('../../../daemons/mr/main.ts', import.meta.url).pathname;

let journey: Journey;
let host: KernelHost;

/** The lab's own radvd and dnsmasq serve lan0, which has no addresses here. */
function inTheLab(text: string): string {
  return text.replaceAll('lan0', 'lan1');
}

async function sojourn(...parameters: readonly string[]): Promise<Finished> {
  return await attempt([process.execPath, CLI, ...parameters], { timeoutMs: 60_000 });
}

async function addressOfHost(family: 4 | 6): Promise<string> {
  return await waitFor(
    async () =>
      (await dynamicAddresses('mr-a')).find(
        (one) => one.interface === 'lan' && one.family === family,
      )?.address,
    { timeoutMs: 20_000, what: `an IPv${family} address from the example's services` },
  );
}

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6', 'nat-prc'], router: 'mr' });
  journey.homeAgent.configure(await example('ha'));
  const { mobileNetworks: given, ...router } = await example('mr');
  const mobileNetworks = [
    { device: 'lan1', addresses: ['2001:db8:500::1/64', '198.51.100.129/28'] },
  ];
  journey.mobileNode.configure({ ...router, mobileNetworks });
  expect(given).toEqual([{ ...mobileNetworks[0], device: 'lan0' }]);
  const { logDirectory } = journey.lab;
  host = new KernelHost({ node: 'mr-a', interfaces: ['lan'], logDirectory }, true);
});
afterAll(async () => {
  await host?.stop();
  await journey?.close();
});

describe('the example files', () => {
  test('pass the check', async () => {
    const file = `${LAB_DIRECTORY}/mr.yaml`;
    expect(await sojourn('check', 'mr', file)).toMatchObject({
      code: 0,
      stdout: `${file}: ok\n`,
      stderr: '',
    });
  });

  test('pass the checks of radvd and dnsmasq', async () => {
    const radvd = await attempt([
      'radvd',
      '--configtest',
      '-m',
      'stderr',
      '-C',
      exampleFile('radvd.conf'),
    ]);
    expect(radvd, radvd.stderr).toMatchObject({ code: 0 });
    const dnsmasq = await attempt([
      'dnsmasq',
      '--test',
      `--conf-file=${exampleFile('dnsmasq.conf')}`,
    ]);
    expect(dnsmasq).toMatchObject({ code: 0, stderr: 'dnsmasq: syntax check OK.\n' });
  });

  test('make the daemon exit with 78 and name the line of a fault', async () => {
    const file = `${LAB_DIRECTORY}/wrong.yaml`;
    writeFileSync(file, exampleText('mr.yaml').replace('2001:db8:500::1/64', '2001:db8:501::1/64'));
    const { code, stderr } = await journey.lab.attempt('mr', [
      process.execPath,
      MAIN,
      '--config',
      file,
    ]);
    expect([code, stderr]).toEqual([
      ExitCode.configuration,
      expect.stringMatching(
        /wrong\.yaml:\d+:17: mobileNetworks\[0\]\.addresses\[0\]: 2001:db8:501::1 is outside all/,
      ),
    ]);
    expect(await journey.lab.exec('mr', ['ip', '-o', 'link'])).not.toContain('sojourn');
  });
});

describe('a mobile router configured by the examples', () => {
  beforeAll(async () => {
    const { lab } = journey;
    const [radvd, dnsmasq] = [
      `${LAB_DIRECTORY}/example.radvd.conf`,
      `${LAB_DIRECTORY}/example.dnsmasq.conf`,
    ];
    writeFileSync(radvd, inTheLab(exampleText('radvd.conf')));
    writeFileSync(dnsmasq, inTheLab(exampleText('dnsmasq.conf')));
    // Started before the interface exists and before the daemon.
    const pidFile = `${LAB_DIRECTORY}/example.radvd.pid`;
    await lab
      .spawn('mr', ['radvd', '--nodaemon', '-m', 'stderr', '-p', pidFile, '-C', radvd])
      .ready('started');
    await lab
      .spawn('mr', ['dnsmasq', '--no-daemon', '--leasefile-ro', `--conf-file=${dnsmasq}`])
      .ready('started');
    await lab.exec('mr', [
      'ip',
      'link',
      'add',
      'lan1',
      'type',
      'veth',
      'peer',
      'name',
      'lan',
      'netns',
      'mr-a',
    ]);
    await lab.exec('mr', ['ip', 'link', 'set', 'lan1', 'up']);
    await lab.exec('mr-a', ['ip', 'link', 'set', 'lan', 'up']);
    host.carrierFound('lan');
    await journey.start('ar6');
  }, 60_000);

  test('gives a host addresses of both families and the MTU of the tunnel', async () => {
    expect(await addressOfHost(6)).toMatch(/^2001:db8:500:/);
    expect(await addressOfHost(4)).toMatch(/^198\.51\.100\.1(3\d|4[0-2])$/);
    expect(
      (await journey.lab.exec('mr-a', ['cat', '/proc/sys/net/ipv6/conf/lan/mtu'])).trim(),
    ).toBe('1420');
  }, 60_000);

  test.each(['ar6', 'nat-prc'] as const)(
    'connects a host to the correspondent in %s',
    async (network) => {
      await journey.moveTo(network);
      for (const address of [await addressOfHost(6), await addressOfHost(4)]) {
        await journey.lab.exec('cn', ['ping', '-n', '-c', '3', '-i', '0.1', '-W', '2', address]);
      }
    },
    60_000,
  );

  test('shows its networks, and the home agent shows the router that has them', async () => {
    const { careOfAddress } = await journey.home();
    const { code, stdout } = await sojourn('--daemon', 'mr', 'status');
    const networks = '2001:db8:500::/64, 198.51.100.128/28';
    expect([code, stdout]).toEqual([ExitCode.ok, expect.stringContaining('office: registered\n')]);
    expect(stdout).toContain(`\n  mobile networks  ${networks} (explicit, through the tunnel)\n`);
    expect((await sojourn('--daemon', 'ha', 'bindings')).stdout).toMatch(
      new RegExp(` MOBILE NETWORKS +IDENTIFIER\\n.* ${networks} +van@example\\.net\\n$`),
    );
    const row = ` +yes +2001:db8:100::20 +${careOfAddress} +\\d+ +van@example\\.net\\n`;
    expect((await sojourn('--daemon', 'ha', 'prefixes')).stdout).toMatch(
      new RegExp(`^PREFIX .*\\n2001:db8:500::/64${row}198\\.51\\.100\\.128/28${row}$`),
    );
    expect((await sojourn('--daemon', 'mr', 'prefixes')).code).toBe(ExitCode.negative);
  });
});
