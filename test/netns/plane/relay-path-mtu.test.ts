import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Background, waitFor } from '#lab/shell.ts';
import { INNER, TUNNEL } from '#test/netns/helpers/plane/plane-hosts.ts';
import { RelayHosts } from '#test/netns/helpers/plane/relay-hosts.ts';

/**
 * A relay sends to a node that has not shown yet that it receives at its address at most three
 * times what it sent: small probes of the path MTU pass, large ones do not.
 */

describe('the path MTU through a relay leg without validation', () => {
  let hosts: RelayHosts;
  beforeAll(async () => {
    hosts = await RelayHosts.create({ node: 4, homeAgent: 6, threads: 2, cipher: 'aes-128-gcm' });
    await hosts.setLeg('homeAgent', { path: { validated: false } });
  });
  afterAll(async () => await hosts?.[Symbol.asyncDispose]());

  it('keeps its value although the relay drops large probes', async () => {
    const { node, homeAgent } = hosts;
    const mtuOf = async () => (await node.ask({ tunnelCounters: TUNNEL })).tunnel?.['mtu'];
    const whole = await mtuOf();
    const packet = `9${'0'.repeat(2 * 296 - 1)}`;
    await homeAgent.ask({ inject: { path: hosts.udpPathToRelay('homeAgent'), packet } });
    const argv = ['ping', '-q', '-i', '0.05', '-s', '1300', '-w', '20', INNER.homeAgent4];
    const logFile = `/run/${node.namespace}-ping.log`;
    await using data = new Background(argv, { namespace: node.namespace, logFile });
    await waitFor(async () => (await node.counter('path-probes-sent')) >= 5, {
      timeoutMs: 10_000,
      what: 'five probes',
    });
    expect(await homeAgent.counter('path-probes-answered')).toBe(1);
    await hosts.setLeg('homeAgent');
    await waitFor(async () => (await homeAgent.counter('path-probes-answered')) >= 2, {
      timeoutMs: 10_000,
      what: 'the answer to a large probe',
    });
    await data.stop();
    expect(await node.counter('path-mtu-probed')).toBe(0);
    expect(await mtuOf()).toBe(whole);
  });
});
