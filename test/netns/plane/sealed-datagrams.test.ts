import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromHex, hex } from '#base/bytes.ts';
import { waitFor } from '#lab/shell.ts';
import { isPathProbe } from '#test/netns/helpers/plane/path-probes.ts';
import {
  INNER,
  type PlaneEnd,
  type PlaneHosts,
  TUNNEL,
  tunnelOf,
  withPath,
} from '#test/netns/helpers/plane/plane-hosts.ts';
import { DATAGRAM, packet6, ping } from '#test/netns/helpers/plane/plane-traffic.ts';
import {
  AES,
  CHACHA,
  keyOf,
  keysOf,
  Listener,
  OVERHEAD,
  openByHand,
  pathTo,
  sealByHand,
  sealedHosts,
} from '#test/netns/helpers/plane/sealed-hosts.ts';

/** Single datagrams at the sealed port: accepted, dropped by reason, punted, and sent. */

describe.each([AES, CHACHA])(
  'hand-made sealed datagrams over IPv$family with $cipher',
  ({ family, cipher }) => {
    let hosts: PlaneHosts;
    const key = keyOf('homeAgent', cipher, 9);
    const good = fromHex(packet6(INNER.node6, INNER.homeAgent6, 17, DATAGRAM));
    beforeAll(async () => {
      hosts = await sealedHosts({ family, cipher }, 2);
      await hosts.homeAgent.ask({ associationsSet: keysOf('homeAgent', cipher, 1, [1, 9]) });
    });
    afterAll(async () => await hosts[Symbol.asyncDispose]());

    const send = async (datagram: Uint8Array): Promise<void> => {
      const { injected } = await hosts.node.ask({
        inject: { path: pathTo(family), packet: hex(datagram) },
      });
      expect(injected).toBe(0);
    };
    /**
     * Sends the datagram; expects it to be counted as `name`, and to be received only if `name`
     * counts received packets.
     */
    const sent = async (datagram: Uint8Array, name: string): Promise<void> => {
      const { counters } = await hosts.homeAgent.ask();
      await send(datagram);
      await hosts.homeAgent.counted(name, counters[name] ?? 0);
      if (name !== 'receive-packets') {
        expect(await hosts.homeAgent.counter('receive-packets')).toBe(counters['receive-packets']);
      }
    };

    it('get accepted once each when the key is right', async () => {
      await sent(sealByHand(good, key, 5_000n), 'receive-packets');
      await sent(sealByHand(good, key, 5_000n), 'drop-replay');
      await sent(sealByHand(good, key, 4_000n), 'receive-packets');
      await sent(sealByHand(good, key, 4_000n), 'drop-replay');
    });

    it('get dropped when any bit differs', async () => {
      // The tag covers the sequence number too: 5003 becomes 5002, which has not been received
      // either.
      const datagram = sealByHand(good, key, 5_003n);
      for (const at of [4, 7, 8, 20, datagram.length - 1]) {
        const forged = Uint8Array.from(datagram);
        forged[at] = (forged[at] ?? 0) ^ 1;
        await sent(forged, 'drop-forged');
      }
      await sent(datagram, 'receive-packets');
    });

    it('get accepted with counters beyond 2^32', async () => {
      for (const counter of [
        0x8000_0000n,
        0xffff_fffen,
        0x1_0000_0001n,
        0xffff_ffffn,
        0x1_0000_0000n,
      ]) {
        await sent(sealByHand(good, key, counter), 'receive-packets');
      }
      await sent(sealByHand(good, key, 0xffff_ffffn), 'drop-replay');
    });

    it('get dropped with another inner source', async () => {
      const spoofed = fromHex(packet6('2001:db8:1:ff::2', INNER.homeAgent6, 17, DATAGRAM));
      await sent(sealByHand(spoofed, key, 0x1_0000_0010n), 'drop-permit');
    });

    it('get dropped when they hold no packet', async () => {
      await sent(sealByHand(good.subarray(0, 30), key, 0x1_0000_0020n), 'drop-malformed');
      await sent(sealByHand(new Uint8Array(1), key, 0x1_0000_0021n), 'drop-malformed');
      await sent(sealByHand(new Uint8Array(0), key, 0x1_0000_0022n), 'drop-malformed');
      for (const length of [0, 1, 3]) await sent(new Uint8Array(length), 'drop-malformed');
      for (const length of [4, 7, 8, 23]) {
        await sent(sealByHand(good, key, 0x1_0000_0023n).subarray(0, length), 'drop-malformed');
      }
    });

    it('get dropped with an unknown SPI or type', async () => {
      await sent(sealByHand(good, { ...key, spi: 0x123 }, 1n), 'drop-unknown-spi');
      for (const type of [0, 2, 7, 14, 15]) {
        await sent(Uint8Array.from([type << 4, 0, 0, 1, 2, 3]), 'drop-datagram-type');
      }
      await sent(
        Uint8Array.from([0xd0, 0, 0, 1, 0xd0, 0, 0, 2, 0x90, 0, 0, 3]),
        'drop-datagram-type',
      );
      await sent(Uint8Array.from([0xd0, 0, 0, 1, 0x90]), 'drop-malformed');
    });
  },
);

describe.each([AES, CHACHA])('the framing, over IPv$family with $cipher', ({ family, cipher }) => {
  const OTHER_PORT = 9999;
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await sealedHosts({ family, cipher }, 1);
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  const sentByNode = async (): Promise<{ readonly data: number; readonly probes: number }> => {
    const { counters } = await hosts.node.ask();
    return {
      data: counters['transmit-packets'] ?? 0,
      probes: counters['path-probes-sent'] ?? 0,
    };
  };

  it.each([0, 0xabcdef1])(
    'opens with an independent reader, relay index %i',
    async (relayIndex) => {
      const port = OTHER_PORT + (relayIndex & 1);
      await using listener = await Listener.open(hosts.homeAgent.namespace, family, port);
      const tunnel = withPath(tunnelOf('node', 'sealed', 1400, family), {
        remotePort: port,
        relayIndex,
      });
      const generation = relayIndex === 0 ? 5 : 6;
      const before = await sentByNode();
      await hosts.node.ask({ associationsSet: keysOf('node', cipher, generation, [1]) });
      await hosts.node.ask({ tunnelSet: tunnel });
      await ping(hosts.node.namespace, INNER.homeAgent6, '-s', '700', '-w', '1');
      // A move to another endpoint and back, with the key set again: the sequence number continues.
      await hosts.node.ask({ tunnelSet: withPath(tunnel, { remotePort: port + 10 }) });
      await hosts.node.ask({ associationsDelete: TUNNEL });
      await hosts.node.ask({ associationsSet: keysOf('node', cipher, generation, [1]) });
      await hosts.node.ask({ tunnelSet: tunnel });
      await ping(hosts.node.namespace, INNER.homeAgent4, '-s', '700', '-w', '1');
      const key = keyOf('homeAgent', cipher, generation);
      // ping repeats for a second while no answer comes.
      const sent = await sentByNode();
      const overhead = OVERHEAD[family] + (relayIndex === 0 ? 0 : 4);
      const datagrams = await listener.datagrams(
        sent.data - before.data + sent.probes - before.probes,
      );
      const lengths = new Set<string>();
      let probes = 0;
      for (const [at, datagram] of datagrams.entries()) {
        const sealed = relayIndex === 0 ? datagram : datagram.subarray(4);
        if (relayIndex !== 0) expect(datagram.readUInt32BE(0)).toBe(0xd0000000 + relayIndex);
        expect([sealed.readUInt32BE(0), sealed.readUInt32BE(4)]).toEqual([
          0x10000000 + key.spi,
          at + 1,
        ]);
        const inner = openByHand(sealed, key, BigInt(at + 1));
        // Data that is larger than the smallest path MTU lets the node probe the path.
        if (isPathProbe(inner, overhead)) probes += 1;
        else lengths.add(`${hex(inner.subarray(0, 1))} ${inner.length}`);
      }
      expect([...lengths]).toEqual([`60 ${700 + 8 + 40}`, `45 ${700 + 8 + 20}`]);
      expect(probes).toBe(sent.probes - before.probes);
    },
  );
});

describe.each([4, 6] as const)('control datagrams over IPv%i', (family) => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await sealedHosts({ family, cipher: 'aes-128-gcm' }, 2);
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  const punted = (end: PlaneEnd, packet: string) =>
    waitFor(() => end.punts.find((punt) => punt.packet === packet), {
      timeoutMs: 5_000,
      what: 'the punt',
    });

  it.each([9, 10, 11, 12])('reach the engine, directly and from a relay: type %i', async (type) => {
    const { local, remote } = pathTo(family);
    for (const relayIndex of [0, 0xfedcba9]) {
      const packet = `${(type << 4).toString(16)}00000${relayIndex === 0 ? '1' : '2'}0102`;
      const { injected } = await hosts.node.ask({
        inject: { path: pathTo(family, relayIndex), packet },
      });
      expect(injected).toBe(0);
      expect((await punted(hosts.homeAgent, packet)).path).toEqual({
        ...pathTo(family, relayIndex),
        ...{ local: remote, remote: local },
      });
    }
  });

  it('leave from an address of the kernel’s choice when none is given', async () => {
    const path = { ...pathTo(family), local: family === 4 ? '0.0.0.0' : '::' };
    const { injected } = await hosts.node.ask({ inject: { path, packet: '9000000a' } });
    expect(injected).toBe(0);
    expect((await punted(hosts.homeAgent, '9000000a')).path).toMatchObject({
      remote: pathTo(family).local,
    });
  });
});

describe('a sealed tunnel without keys', () => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await sealedHosts(AES, 2);
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  it('sends nothing', async () => {
    await hosts.node.ask({ associationsDelete: TUNNEL });
    const before = await hosts.node.counter('transmit-packets');
    expect(await ping(hosts.node.namespace, INNER.homeAgent4, '-w', '1')).toContain(
      '100% packet loss',
    );
    expect(await hosts.node.counter('drop-no-association')).toBeGreaterThan(0);
    expect(await hosts.node.counter('transmit-packets')).toBe(before);
  });

  it('accepts nothing after its tunnel changed its encapsulation', async () => {
    await hosts.node.ask({ associationsSet: keysOf('node', AES.cipher, 2, [1]) });
    await hosts.homeAgent.ask({ associationsSet: keysOf('homeAgent', AES.cipher, 1, [1, 2]) });
    await hosts.homeAgent.ask({ tunnelSet: tunnelOf('homeAgent', 'udp') });
    const before = await hosts.homeAgent.counter('drop-permit');
    await ping(hosts.node.namespace, INNER.homeAgent4, '-w', '1');
    await hosts.homeAgent.counted('drop-permit', before);
  });
});
