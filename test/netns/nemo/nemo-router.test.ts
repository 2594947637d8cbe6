/**
 * NEMO-MR, packets that the mobile router forwards, with real packets: RFC 3963 §5.5, §9. The
 * router is real; the messages between a visiting mobile node (VMN) behind it and that node's home
 * agent (ha2) are made by hand.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { MOBILE_ROUTERS } from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import {
  capturedWhile,
  comparable,
  icmp,
  mobility,
  PROTOCOL_IPV6,
  packet,
  sendRaw,
} from '#test/netns/helpers/crafted-packets.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { encodeMobility, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { NO_BINDING_ACKNOWLEDGEMENT_FLAGS } from '#wire/mobility/message.ts';

const CN = ipv6(ADDRESSES.correspondentIpv6);
const OTHER_HOME_AGENT = ipv6(ADDRESSES.otherHomeAgentIpv6);
/** Home address of the visiting node. */
const VISITOR = ipv6('2001:db8:300::99');
const INGRESS = ipv6('2001:db8:500::1');
const FOREIGN = ipv6('2001:db8:501::bad');

let journey: Journey;
let host: Ipv6Address;

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6'], router: 'mr', servers: ['ha2'] });
  await journey.start('ar6');
  host = ipv6((await journey.lab.waitForAddress('mr-a', 6)).address);
  await pingCorrespondent();
});
afterAll(async () => await journey?.close());

/** An echo request and reply, so that earlier packets have had time to arrive. */
async function pingCorrespondent(): Promise<void> {
  await journey.lab.exec('mr-a', ['ping', '-n', '-c', '3', '-i', '0.2', '-W', '2', CN]);
}

async function capturedAfterSending(
  namespace: string,
  device: string,
  from: string,
  sent: Uint8Array,
): Promise<readonly string[]> {
  return await capturedWhile(journey.lab, { namespace, device, before: 14 }, async () => {
    await sendRaw(journey.lab, from, sent);
    await pingCorrespondent();
  });
}

describe('packets from the visited network to the mobile network', () => {
  it('NEMO-MR-2-1-1-4-002 pass: the acknowledgement of a visiting node’s home agent', async () => {
    const acknowledgement = encodeMobility(
      {
        type: 'binding-acknowledgement',
        status: 0,
        flags: NO_BINDING_ACKNOWLEDGEMENT_FLAGS,
        sequence: 1,
        lifetimeUnits: 10,
        options: [],
      },
      OTHER_HOME_AGENT,
      VISITOR,
    );
    const routing = [{ type: 'type-2-routing', homeAddress: VISITOR }] as const;
    const sent = packet(OTHER_HOME_AGENT, host, PROTOCOL_MOBILITY, acknowledgement, routing);
    expect(await capturedAfterSending('mr-a', 'eth0', 'ha2', sent)).toContain(comparable(sent));
  });

  it('NEMO-MR-2-1-1-4-005 pass: a Home Test in a visiting node’s own tunnel', async () => {
    const homeTest = mobility(CN, VISITOR, {
      type: 'home-test',
      homeNonceIndex: 1,
      homeInitCookie: 7n,
      homeKeygenToken: new Uint8Array(8).fill(3),
      options: [],
    });
    const sent = packet(OTHER_HOME_AGENT, host, PROTOCOL_IPV6, homeTest);
    expect(await capturedAfterSending('mr-a', 'eth0', 'ha2', sent)).toContain(comparable(sent));
  });

  it('NEMO-MR-2-1-1-4-012 get an echo reply from the router’s home address', async () => {
    const { homeAddress } = MOBILE_ROUTERS.mr;
    await journey.lab.exec('cn', ['ping', '-n', '-c', '3', '-i', '0.2', '-W', '2', homeAddress]);
  });

  it('NEMO-MR-4-1-2-2-006 get an echo reply from its link-local address', async () => {
    const line = await journey.lab.exec('mr', [
      'ip',
      '-6',
      '-oneline',
      'address',
      'show',
      'dev',
      'eth0',
      'scope',
      'link',
    ]);
    const address = / (fe80::[0-9a-f:]+)\//.exec(line)?.[1] ?? 'none';
    await journey.lab.exec('ar6', [
      'ping',
      '-n',
      '-c',
      '3',
      '-i',
      '0.2',
      '-W',
      '2',
      `${address}%lan`,
    ]);
  });
});

describe('packets from the mobile network to the visited network', () => {
  it('NEMO-MR-2-2-1-4-006 pass: a Home Test Init in a visiting node’s own tunnel', async () => {
    const init = mobility(VISITOR, CN, { type: 'home-test-init', homeInitCookie: 7n, options: [] });
    const sent = packet(host, OTHER_HOME_AGENT, PROTOCOL_IPV6, init);
    expect(await capturedAfterSending('ha2', 'wan', 'mr-a', sent)).toContain(comparable(sent));
  });

  /**
   * Sends a packet that the router must receive; returns the packets that pass the correspondent
   * and the router's visited link meanwhile.
   */
  async function tried(sent: Uint8Array): Promise<readonly string[]> {
    const { lab } = journey;
    let outside: readonly string[] = [];
    const inside = await capturedWhile(
      lab,
      { namespace: 'mr', device: 'lan0', before: 14 },
      async () => {
        outside = await capturedAfterSending('cn', 'wan', 'mr-a', sent);
      },
    );
    expect(inside).toContain(comparable(sent));
    return outside;
  }

  const echo = (source: Ipv6Address) =>
    icmp(source, CN, {
      type: 'echo-request',
      identifier: 9,
      sequence: 1,
      data: new Uint8Array(16),
    });

  it.each([
    ['NEMO-MR-2-2-1-4-015 a tunnel packet from a source that is in no prefix', FOREIGN],
    ['NEMO-MR-2-2-1-4-016 a tunnel packet from the router’s own address', INGRESS],
  ])('%s goes nowhere', async (_title, outer) => {
    const sent = packet(outer, CN, PROTOCOL_IPV6, echo(host));
    await journey.lab.exec('mr-a', ['ip', 'address', 'add', `${outer}/128`, 'dev', 'lo', 'nodad']);
    const outside = await tried(sent);
    await journey.lab.exec('mr-a', ['ip', 'address', 'del', `${outer}/128`, 'dev', 'lo']);
    expect(outside).not.toContain(comparable(sent));
  });

  it.each([
    ['NEMO-MR-2-2-1-4-017 a source that is in no prefix', FOREIGN],
    ['NEMO-MR-2-2-1-4-018 the router’s own address', INGRESS],
  ])('%s, in a tunnel to the router itself, does not come out of it', async (_title, inner) => {
    const outside = await tried(packet(host, INGRESS, PROTOCOL_IPV6, echo(inner)));
    expect(outside).not.toContain(comparable(echo(inner)));
  });
});
