/** ESP of data of a mobile router: the hosts of its network, in both directions. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MOBILE_ROUTERS, prefixesOf } from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { association, sectionOf } from '#test/netns/esp/associations.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';

const ROUTER = MOBILE_ROUTERS.mr;
const { homeAddress, ipv4HomeAddress } = ROUTER;
const HOST = 'mr-a';

let journey: Journey;

beforeAll(async () => {
  const esp = sectionOf(
    association(5, homeAddress, 'aes-gcm-16', true),
    association(6, homeAddress, 'aes-gcm-16', true),
  );
  const mobileNetworkPrefixes = prefixesOf(ROUTER);
  const home = { name: 'home', homeAgent: 'ha.example', homeAddress, ipv4HomeAddress };
  const node = { homeAddresses: [homeAddress], ipv4HomeAddresses: [ipv4HomeAddress] };
  journey = await Journey.create({
    networks: ['ar6', 'nat-prc'],
    router: 'mr',
    daemons: {
      mobileNode: { homes: [{ ...home, esp, mobileNetworkPrefixes }] },
      homeAgent: { mobileNodes: [{ ...node, esp, mobileNetworkPrefixes }] },
    },
  });
});
afterAll(async () => await journey?.close());

async function ping(from: string, to: string): Promise<void> {
  await waitFor(
    async () =>
      await journey.lab.exec(from, ['ping', '-n', '-c', '1', '-W', '1', to]).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 10_000, what: `an answer from ${to} to ${from}` },
  );
}

test('hosts behind a mobile router speak in ESP over IPv6 and behind a NAT', async () => {
  const file = `${journey.lab.logDirectory}/router.pcap`;
  {
    await using _ = await journey.lab.capture('core', 'to-home', file);
    await journey.start('ar6');
    for (const network of ['ar6', 'nat-prc'] as const) {
      if (network !== 'ar6') await journey.moveTo(network);
      for (const address of [ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4])
        await ping(HOST, address);
    }
  }
  expect(await journey.binding()).toMatchObject({ encapsulation: 'esp', encrypted: true });
  const clear = await dissect(
    file,
    `(ipv6.addr == ${ADDRESSES.homeAgentIpv6} || ip.addr == ${ADDRESSES.homeAgentIpv4}) && ` +
      '(ipv6.nxt == 41 || ipv6.nxt == 4 || ip.proto == 41 || ip.proto == 4)',
    ['frame.number'],
  );
  expect(clear).toEqual([]);
  const data = 'esp.spi == 0x1006 || esp.spi == 0x2006';
  const kinds = await dissect(file, data, ['esp.spi', 'udp.dstport']);
  expect(new Set(kinds.map((field) => field('udp.dstport') !== ''))).toEqual(
    new Set([true, false]),
  );
});
