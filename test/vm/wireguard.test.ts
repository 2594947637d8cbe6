/**
 * WireGuard of the kernel beside the mobile node: `wg-quick` sends everything through its tunnel,
 * except the packets of the tunnel itself.
 *
 *   mn: wg0 ══════════════ cn: wg0      WireGuard, to the correspondent's address
 *   mn --- ds, nat-prc --- core --- home (HA), cn
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { run, waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';

const DIRECTORY = `${LAB_DIRECTORY}/wireguard`;
const NODE = { ipv4: '10.9.0.2', ipv6: 'fd09::2' };
const PEER = { ipv4: '10.9.0.1', ipv6: 'fd09::1' };

/** The peer is a gateway: the node's queries for names go through it too. */
const MASQUERADE = `table inet gateway {
  chain out { type nat hook postrouting priority srcnat; oifname != "wg0" masquerade; }
}
`;

interface Key {
  readonly secret: string;
  readonly open: string;
}

async function newKey(): Promise<Key> {
  const secret = (await run(['wg', 'genkey'])).trim();
  return { secret, open: (await run(['wg', 'pubkey'], { input: secret })).trim() };
}

/** Brings up wg0 of the correspondent, and writes the configuration of the node. */
async function prepare(journey: Journey): Promise<void> {
  const [node, peer] = [await newKey(), await newKey()];
  for (const name of ['mn', 'cn']) mkdirSync(`${DIRECTORY}/${name}`, { recursive: true });
  writeFileSync(
    `${DIRECTORY}/cn/wg0.conf`,
    `[Interface]
PrivateKey = ${peer.secret}
Address = ${PEER.ipv4}/24, ${PEER.ipv6}/64
ListenPort = 51820
[Peer]
PublicKey = ${node.open}
AllowedIPs = ${NODE.ipv4}/32, ${NODE.ipv6}/128
`,
  );
  writeFileSync(
    `${DIRECTORY}/mn/wg0.conf`,
    `[Interface]
PrivateKey = ${node.secret}
Address = ${NODE.ipv4}/24, ${NODE.ipv6}/64
[Peer]
PublicKey = ${peer.open}
Endpoint = ${ADDRESSES.correspondentIpv4}:51820
AllowedIPs = 0.0.0.0/0, ::/0
PersistentKeepalive = 1
`,
  );
  await wgQuick(journey, 'cn', 'up');
  const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
  await journey.lab.exec('cn', ['sysctl', '-qw', ...forwarding]);
  await journey.lab.exec('cn', ['nft', '-f', '-'], { input: MASQUERADE });
}

async function wgQuick(journey: Journey, host: 'mn' | 'cn', verb: 'up' | 'down'): Promise<void> {
  await journey.lab.exec(host, ['wg-quick', verb, `${DIRECTORY}/${host}/wg0.conf`]);
}

/** The node carries data of both home addresses, and of the tunnel of WireGuard. */
async function expectBoth(journey: Journey): Promise<void> {
  for (const [source, target] of [
    [HOME.address, ADDRESSES.correspondentIpv6],
    [HOME.ipv4Address, ADDRESSES.correspondentIpv4],
    [NODE.ipv4, PEER.ipv4],
    [NODE.ipv6, PEER.ipv6],
  ] as const) {
    const argv = ['ping', '-n', '-c', '1', '-W', '1', '-I', source, target];
    await waitFor(async () => (await journey.lab.attempt('mn', argv)).code === 0 || undefined, {
      timeoutMs: 10_000,
      what: `an answer of ${target} to ${source}`,
    });
  }
}

let journey: Journey;
beforeEach(async () => {
  journey = await Journey.create({ networks: ['ds', 'dsb', 'nat-prc'] });
  await prepare(journey);
});
afterEach(async () => await journey.close());

describe('a mobile node beside WireGuard', () => {
  it('moves while wg-quick, started before it, takes all other traffic', async () => {
    await journey.lab.move('mn', 'ds');
    await journey.lab.waitForAddress('mn', 6);
    await wgQuick(journey, 'mn', 'up');
    await journey.start('ds');
    for (const network of ['dsb', 'nat-prc'] as const) {
      await journey.moveTo(network);
      await expectBoth(journey);
    }
  });

  it('moves while wg-quick, started after it, takes all other traffic', async () => {
    await journey.start('ds');
    await wgQuick(journey, 'mn', 'up');
    for (const network of ['dsb', 'nat-prc'] as const) {
      await journey.moveTo(network);
      await expectBoth(journey);
    }
    await wgQuick(journey, 'mn', 'down');
    await journey.moveTo('ds');
    expect((await journey.home())['phase']).toBe('registered');
  });
});
