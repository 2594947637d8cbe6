import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ipv4Address, ipv4 } from '#base/ip.ts';
import { ipBatch, waitFor } from '#lab/shell.ts';
import {
  INNER,
  OUTER,
  PlaneHosts,
  PORT,
  TUNNEL,
  tunnelOf,
  withPath,
} from '#test/netns/helpers/plane/plane-hosts.ts';
import { DATAGRAM, packet6 } from '#test/netns/helpers/plane/plane-traffic.ts';

/** Notices about data from an endpoint without tunnel. */

const HOSTS = Array.from({ length: 40 }, (_, index) => `198.51.100.${index + 10}`);
const LONG_DATAGRAM = new Uint8Array(100).fill(1);

let hosts: PlaneHosts;
beforeAll(async () => {
  hosts = await PlaneHosts.create('udp', 2);
  const addresses = HOSTS.map((host) => `address add ${host}/24 dev eth0`);
  await ipBatch(addresses, { namespace: hosts.node.namespace });
});
afterAll(async () => await hosts[Symbol.asyncDispose]());

function sendFrom(source: Ipv4Address, inner: string, payload = LONG_DATAGRAM) {
  const path = {
    ...{ kind: 'udp', localPort: PORT, remotePort: PORT },
    ...{ local: source, remote: ipv4(OUTER.homeAgent4) },
  };
  const packet = packet6(inner, INNER.homeAgent6, 17, payload);
  return hosts.node.ask({ inject: { path, packet } });
}

const noticed = (count: number) =>
  waitFor(() => hosts.homeAgent.unknownEndpoints[count - 1], {
    timeoutMs: 5_000,
    what: `notice ${count}`,
  });

describe('a plane that reports unknown endpoints', () => {
  it('names both endpoints and the inner source of data without a route', async () => {
    await sendFrom(ipv4(HOSTS[0] ?? ''), '2001:db8:77::1');
    expect(await noticed(1)).toEqual({
      ...{ carrier: 'udp', local: OUTER.homeAgent4, localPort: PORT },
      ...{ remote: HOSTS[0], remotePort: PORT, innerSource: '2001:db8:77::1' },
    });
  });

  it('reports data that it holds, because its node has moved', async () => {
    const before = await hosts.homeAgent.counter('held');
    await sendFrom(ipv4(HOSTS[1] ?? ''), INNER.node6);
    await hosts.homeAgent.counted('held', before);
    expect(await noticed(2)).toMatchObject({ remote: HOSTS[1], innerSource: INNER.node6 });
  });

  it('reports data that came through the tunnel of another node', async () => {
    const remote = ipv4(HOSTS[2] ?? '');
    const other = withPath({ ...tunnelOf('homeAgent', 'udp'), id: TUNNEL + 1 }, { remote });
    await hosts.homeAgent.ask({ tunnelSet: other });
    await sendFrom(remote, INNER.node6);
    expect(await noticed(3)).toMatchObject({ remote, innerSource: INNER.node6 });
  });

  it('reports a packet that is smaller than the answer only once more have come', async () => {
    const source = ipv4(HOSTS[3] ?? '');
    const before = await hosts.homeAgent.counter('drop-unknown-endpoint');
    // 40 octets and 12: less than the 64 of a Binding Error.
    await sendFrom(source, '2001:db8:77::1', DATAGRAM);
    await hosts.homeAgent.counted('drop-unknown-endpoint', before);
    expect(hosts.homeAgent.unknownEndpoints).toHaveLength(3);
    await sendFrom(source, '2001:db8:77::1', DATAGRAM);
    expect(await noticed(4)).toMatchObject({ remote: source });
  });

  it('reports at most a few of the packets of one network', async () => {
    const before = await hosts.homeAgent.ask();
    const flood = HOSTS.flatMap((host) => Array.from({ length: 25 }, () => ipv4(host)));
    for (const source of flood) await sendFrom(source, '2001:db8:77::1');
    const dropped = before.counters['drop-unknown-endpoint'] ?? 0;
    await hosts.homeAgent.counted('drop-unknown-endpoint', dropped, flood.length * 0.9);
    const { counters } = await hosts.homeAgent.ask();
    const notices =
      (counters['unknown-endpoint-notices'] ?? 0) -
      (before.counters['unknown-endpoint-notices'] ?? 0);
    expect(notices).toBeGreaterThan(0);
    // A burst of 32, and 16 for each second of the flood.
    expect(notices).toBeLessThan(flood.length / 4);
  });
});
