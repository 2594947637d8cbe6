/**
 * The engines of Mobile IPv6 and NTMobile as one: the distribution of inputs, and one answer for
 * the operator.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { ipv4, ipv6, parsePrefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import { joinEngines } from '#composition/joined-engines.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Output } from '#engine/contract/output.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { createNtmobileNode } from '#engine/ntmobile/node/ntmobile-node.ts';
import type { DriverInput } from '#runtime/driver.ts';
import {
  CONFIGURATION,
  HOME,
  HOME_ADDRESS,
} from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';

const PREFIX = parsePrefix('198.18.0.0/15') ?? { address: ipv4('198.18.0.0'), length: 15 };
const ntmobileNode = () =>
  createNtmobileNode(
    {
      ...{
        own: keyPairOf(new Uint8Array(32).fill(3)),
        port: 7890,
        interfaces: [],
        excludedAddresses: [HOME_ADDRESS],
      },
      ...{
        virtualIpv4Prefix: PREFIX,
        peerNetworks: [],
        generalNames: [],
        unreachableNames: true,
        table: 7890,
        rulePriority: 900,
      },
    },
    randomOf(2),
  );

const ETH0: NetworkInterface = {
  ...{ index: 2, name: 'eth0', running: true, epoch: 1, mtu: 1500, linkAddress: new Uint8Array(6) },
  addresses: [ipv6('2001:db8:9::5'), HOME_ADDRESS].map((address) => ({
    ...{
      address,
      prefixLength: 64,
      tentative: false,
      duplicate: false,
      deprecated: false,
      validUntil: NEVER,
      epoch: 1,
    },
  })),
  routers: [{ family: 6, gateway: ipv6('fe80::1'), metric: 1024, validUntil: NEVER, epoch: 1 }],
};

let now: Monotonic = monotonic(1_000);
let engine: ReturnType<typeof joinEngines>;

function step(input: DriverInput): Output[] {
  now = after(now, 1);
  const out: Output[] = [];
  engine.step(now, input, out);
  return out;
}

function ask(command: string, parameters: JsonObject = {}) {
  const replies = step({ kind: 'request', id: 7, command, parameters }).filter(
    (output) => output.kind === 'reply',
  );
  expect(replies.map(({ id }) => id)).toEqual([7]);
  return replies[0];
}

describe.each<readonly [string, boolean]>([
  ['both', true],
  ['NTMobile alone', false],
])('a node of %s', (_what, homes) => {
  beforeEach(() => {
    const mobileIpv6 = homes
      ? createMobileNode({ ...CONFIGURATION, homes: [HOME] }, randomOf(1))
      : undefined;
    engine = joinEngines({ mobileIpv6, ntmobile: ntmobileNode() });
    step({ kind: 'clock', offsetMs: 1_800_000_000_000 });
    step({ kind: 'restored' });
  });

  it.each(['status', 'stats', 'counters'])(
    'answers %s once, with the part of NTMobile under its name',
    (command) => {
      const reply = ask(command);
      expect(reply?.ok).toBe(true);
      expect(isJsonObject(reply?.value) && isJsonObject(reply.value['ntmobile'])).toBe(true);
    },
  );

  it('lists tunnels and paths of both engines', () => {
    expect([ask('tunnels')?.value, ask('paths')?.value]).toEqual([[], []]);
  });

  it('rejects a command that neither engine knows', () => {
    expect(ask('nonsense')).toMatchObject({
      ok: false,
      value: { message: expect.stringContaining('nonsense') },
    });
  });

  it('moves only to an interface that the host has', () => {
    step({ kind: 'network', interfaces: [ETH0] });
    expect(ask('move', { interface: 'eth0' })?.ok).toBe(true);
    const message = 'no interface "wlan9"; this host has eth0';
    expect(ask('move', { interface: 'wlan9' })).toMatchObject({ ok: false, value: { message } });
    expect(ask('move', { careOfAddress: '192.0.2.99' })?.ok).toBe(false);
  });

  it('says which commands need homes', () => {
    if (homes) return;
    expect(ask('reregister')?.value).toEqual({
      message: 'reregister needs homes, and the configuration has none',
    });
  });

  it('passes the network to both engines; NTMobile ignores home addresses', () => {
    const out = step({ kind: 'network', interfaces: [ETH0] });
    const keys = out.flatMap((output) => (output.kind === 'set-desired' ? [output.key] : []));
    expect(keys).toContain('ntmobile/uplinks');
    expect(keys.filter((key) => !key.startsWith('ntmobile/')).length > 0).toBe(homes);
    expect(out.filter(({ kind }) => kind === 'login')).toHaveLength(1);
    expect(ask('status')?.value).toMatchObject({
      ntmobile: { localAddresses: { ipv6: '2001:db8:9::5' } },
    });
  });

  it('passes queries to NTMobile and takes the earlier deadline', () => {
    // A node learns the zone of its system at its first login.
    expect(step({ kind: 'query', id: 3, name: 'cn.example', unreachable: false })).toEqual([]);
    step({ kind: 'network', interfaces: [ETH0] });
    const outcome = { granted: false, reason: 'unreachable', message: 'no', final: false } as const;
    const answers = step({ kind: 'logged-in', outcome }).filter(({ kind }) => kind === 'answer');
    expect(answers).toMatchObject([{ kind: 'answer', id: 3, answer: { outcome: 'forward' } }]);
    const due = engine.deadline();
    expect(due).toBeLessThan(NEVER);
    now = due;
    const again = Array.from({ length: 20 }, () => {
      now = engine.deadline();
      return step({ kind: 'tick' });
    }).flat();
    expect(again.filter(({ kind }) => kind === 'login').length).toBeGreaterThan(0);
  });
});
