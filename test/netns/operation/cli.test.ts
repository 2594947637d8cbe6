import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonValue } from '#base/json.ts';
import { isJsonObject, parseJson } from '#daemon/control/json-lines.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { HOME } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { attempt, type Finished, waitFor } from '#lab/shell.ts';
import { example } from '#test/netns/helpers/examples.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';

/** Both daemons run from the examples with every default written out; an operator queries them. */

const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
const SYSCTL = 'net/ipv4/conf/lo/arp_announce';

async function sojourn(...parameters: readonly string[]): Promise<Finished> {
  return await attempt([process.execPath, CLI, ...parameters], { timeoutMs: 60_000 });
}

async function json(...parameters: readonly string[]): Promise<JsonValue> {
  const { code, stdout, stderr } = await sojourn('--json', ...parameters);
  expect([code, stderr]).toEqual([0, '']);
  return parseJson(stdout) ?? null;
}

let journey: Journey;

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6', 'nat-prc'] });
  journey.homeAgent.configure(await example('ha'));
  journey.mobileNode.configure(await example('mn'));
});
afterAll(async () => await journey?.close());

describe('sojourn before any daemon runs', () => {
  test.each(['ha', 'mn'])('accepts the example of %s with check', async (role) => {
    const file = `${LAB_DIRECTORY}/${role}.yaml`;
    expect(await sojourn('check', role, file)).toMatchObject({
      code: 0,
      stdout: `${file}: ok\n`,
      stderr: '',
    });
  });

  test('ends every query with exit code 69 and a remedy', async () => {
    for (const command of ['status', 'bindings', 'tunnels', 'stats', 'events']) {
      const { code, stderr } = await sojourn(command);
      expect([command, code]).toEqual([command, ExitCode.unavailable]);
      expect(stderr).toContain('check the daemons with systemctl status');
    }
  });

  test.each([
    ['ha', 'home'],
    ['mn', 'mn'],
  ])('cleans up %s successfully when there is nothing to remove', async (role, namespace) => {
    const argv = [process.execPath, CLI, 'cleanup', role, `${LAB_DIRECTORY}/${role}.yaml`];
    expect(await journey.lab.attempt(namespace, argv)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });
});

describe('sojourn while two daemons run', () => {
  beforeAll(async () => await journey.start('ar6'));

  test('requires the name of the daemon when several run', async () => {
    const { code, stderr } = await sojourn('status');
    expect([code, stderr]).toEqual([
      ExitCode.usage,
      expect.stringContaining('--daemon ha | --daemon mn'),
    ]);
    expect((await sojourn('--daemon', 'nobody', 'status')).code).toBe(ExitCode.unavailable);
  });

  test('shows status and tables on an IPv6 link', async () => {
    const careOf = String((await journey.home())['careOfAddress']);
    const status = await sojourn('--daemon', 'mn', 'status');
    expect(status.code).toBe(0);
    expect(status.stdout).toMatch(
      new RegExp(
        `^office: registered\\n  home addresses   ${HOME.address}, ${HOME.ipv4Address}\\n` +
          `  home agent       ha\\.example ` +
          `\\(${ADDRESSES.homeAgentIpv6}, ${ADDRESSES.homeAgentIpv4}\\)\\n` +
          `  care-of address  ${careOf} on eth0\\n  tunnel           sealed, no NAT\\n` +
          `  registration     sealed\\n` +
          `  encryption       encrypted \\(AES-128-GCM.*\\)\\n` +
          `  lifetime left    9 min \\d+ s of (9 min 5\\d s|10 min)\\n` +
          `  last handover    \\d+ s ago, to ${careOf}, acknowledged after [\\d.]+ ` +
          `ms\\n\\nhost\\n  kernel  in sync\\n  store   in sync\\n$`,
      ),
    );
    const bindings = await sojourn('--daemon', 'ha', 'bindings');
    expect(bindings.stdout).toMatch(
      /^HOME ADDRESS +CARE-OF ADDRESS +ENCAPSULATION +ENCRYPTED +NAT +LIFETIME LEFT +IDENTIFIER\n/,
    );
    expect(bindings.stdout).toContain(`${HOME.address}, ${HOME.ipv4Address}  ${careOf}`);
    expect((await sojourn('--daemon', 'ha', 'status')).stdout).toMatch(
      /^ {2}bindings {3}1 \(2 configured\)$/m,
    );
  });

  test('follows events through a handover and shows the translated address', async () => {
    const follower = journey.lab.spawn('mn', [
      process.execPath,
      CLI,
      '--daemon',
      'mn',
      'events',
      '--follow',
      '-n',
      '1',
    ]);
    await follower.ready(/ registered {2}/);
    const before = follower.output().length;
    await journey.moveTo('nat-prc');
    await waitFor(
      () =>
        /info +registered .*encapsulation=sealed.* nat=true/.test(follower.output().slice(before)),
      {
        timeoutMs: 5_000,
        what: 'the follower to show the registration',
      },
    );
    await follower.stop();
    expect(follower.output()).not.toMatch(/atMs=|undefined|\d\.\d{4}/);
    expect((await sojourn('--daemon', 'mn', 'status')).stdout).toContain(
      'tunnel           sealed, through a NAT',
    );
    expect((await sojourn('--daemon', 'ha', 'bindings')).stdout).toMatch(
      /sealed +yes +yes, 198\.51\.100\.\d+:4191/,
    );
  });

  test('shows the traffic of tunnels', async () => {
    const octets = async () => {
      const [tunnel] = objectsOf(await json('--daemon', 'ha', 'tunnels'));
      return Number(objectOf(tunnel?.['traffic'])['receive-octets']);
    };
    const before = await octets();
    await journey.lab.exec('cn', [
      'ping',
      '-n',
      '-c',
      '3',
      '-i',
      '0.1',
      '-s',
      '1000',
      HOME.address,
    ]);
    expect((await octets()) - before).toBeGreaterThanOrEqual(3 * 1048);
    expect((await sojourn('--daemon', 'ha', 'tunnels')).stdout).toMatch(
      /^ID +ENCAPSULATION .* OCTETS IN\n +\d+ +sealed +192\.0\.2\.1:4191/,
    );
  });

  test('prints complete JSON, and zero counters only in JSON', async () => {
    const status = objectOf(await json('--daemon', 'mn', 'status'));
    expect(objectsOf(status['homes'])[0]).toMatchObject({
      home: 'office',
      phase: 'registered',
      encapsulation: 'sealed',
      encrypted: true,
      cipher: 'AES-128-GCM',
    });
    expect(objectOf(await json('--daemon', 'mn', 'stats'))).toMatchObject({
      'registration-refused': 0,
    });
    const { stdout } = await sojourn('--daemon', 'mn', 'stats');
    expect(stdout).toMatch(/^control messages:\n {2}/);
    expect(stdout).toMatch(/\n {2}handshake-started +\d+\n {2}binding-update-sent +\d+\n/);
    expect(stdout).not.toContain('registration-refused');
    const events = (await sojourn('--json', '--daemon', 'ha', 'events')).stdout
      .trim()
      .split('\n')
      .map(parseJson);
    expect(events.map((event) => (isJsonObject(event) ? event['name'] : ''))).toContain(
      'binding-moved',
    );
  });

  test('reports a home that is not registered by its exit code', async () => {
    expect((await sojourn('--daemon', 'mn', 'request', 'deregister')).code).toBe(0);
    await waitFor(async () => (await journey.home())['phase'] === 'released', {
      timeoutMs: 5_000,
      what: 'the release',
    });
    const { code, stdout } = await sojourn('--daemon', 'mn', 'status');
    expect([code, stdout.split('\n')[0]]).toEqual([
      ExitCode.negative,
      'office: de-registered on request',
    ]);
    expect((await sojourn('--daemon', 'ha', 'bindings')).stdout).toBe('(none)\n');
    expect((await sojourn('--daemon', 'mn', 'request', 'reregister')).code).toBe(0);
    await journey.settled('nat-prc');
    expect(await sojourn('--daemon', 'mn', 'request', 'fly')).toMatchObject({
      code: ExitCode.negative,
    });
  });

  test.each([
    ['ha', 'home'],
    ['mn', 'mn'],
  ])('refuses cleanup of %s while it runs and changes nothing', async (role, namespace) => {
    const argv = [process.execPath, CLI, 'cleanup', role, `${LAB_DIRECTORY}/${role}.yaml`];
    const { code, stdout } = await journey.lab.attempt(namespace, argv);
    expect([code, stdout]).toEqual([
      ExitCode.unavailable,
      expect.stringContaining('a daemon already serves'),
    ]);
    await journey.lab.exec('cn', ['ping', '-n', '-c', '1', '-W', '2', HOME.address]);
    expect(await journey.lab.exec(namespace, ['nft', 'list', 'tables'])).toContain(
      `sojourn-${role}`,
    );
  });

  test('lets idle daemons sleep', async () => {
    const wakes = (pid: number) =>
      Number(
        /^voluntary_ctxt_switches:\s+(\d+)/m.exec(
          readFileSync(`/proc/${pid}/task/${pid}/status`, 'utf8'),
        )?.[1],
      );
    for (const { pid, name } of [journey.homeAgent, journey.mobileNode]) {
      const before = wakes(pid);
      await journey.lab.exec('cn', ['ping', '-n', '-c', '4', '-i', '1', ADDRESSES.homeAgentIpv6]);
      // A keepalive, a router advertisement and a Neighbour Solicitation may wake the process; ten
      // polls a second may not.
      expect(wakes(pid) - before, name).toBeLessThan(20);
    }
  });
});

describe('sojourn cleanup after kill -9', () => {
  test('removes routes, rules, packet filter, sysctls and socket, even repeatedly', async () => {
    const { lab, mobileNode } = journey;
    await mobileNode.kill();
    // As on a kernel without owned tables (NFT_TABLE_F_OWNER), which it removes with their owner.
    await lab.exec('mn', [
      'sh',
      '-c',
      'for f in ip6 ip; do nft add table $f sojourn-mn; done; nft add table ip other',
    ]);
    const before = (await lab.exec('mn', ['cat', `/proc/sys/${SYSCTL}`])).trim();
    await lab.exec('mn', ['sh', '-c', `echo 2 > /proc/sys/${SYSCTL}`]);
    writeFileSync('/run/sojourn/mn-sysctl.json', JSON.stringify({ [SYSCTL]: before }));
    expect((await sojourn('--daemon', 'mn', 'status')).code).toBe(ExitCode.unavailable);
    for (const _ of ['first', 'second']) {
      const argv = [process.execPath, CLI, 'cleanup', 'mn', `${LAB_DIRECTORY}/mn.yaml`];
      expect(await lab.attempt('mn', argv)).toMatchObject({ code: 0, stdout: '', stderr: '' });
      expect(await lab.exec('mn', ['nft', 'list', 'tables'])).toBe('table ip other\n');
      expect((await lab.exec('mn', ['cat', `/proc/sys/${SYSCTL}`])).trim()).toBe(before);
      expect(await lab.exec('mn', ['sh', '-c', 'ip -6 rule; ip rule'])).not.toMatch(/41\d\d/);
      expect(existsSync('/run/sojourn/mn-sysctl.json')).toBe(false);
      expect(existsSync('/run/sojourn/mn.sock')).toBe(false);
    }
  });
});
