/**
 * Names that applications request before a node knows its zone. docs/reference/ntmobile.md §5
 * (first login)
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { monotonic, NEVER } from '#base/time.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { NameAnswer } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import { createNtmobileNode, type NtmobileNodeInput } from '#engine/ntmobile/node/ntmobile-node.ts';
import { prefixOf, ZONE } from '#test/sim/ntmobile/system.ts';
import { World } from '#test/sim/ntmobile/world.ts';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';

const REFUSED = { granted: false, reason: 'unreachable', message: 'no', final: false } as const;
const FORWARDED: NameAnswer = {
  ...{ outcome: 'forward', families: [4] },
  virtualPrefixes: [prefixOf('198.18.0.0/15')],
};

const PLUGGED_IN: NetworkInterface = {
  ...{ index: 2, name: 'eth0', running: true, epoch: 1, mtu: 1500, linkAddress: new Uint8Array(6) },
  addresses: [
    {
      ...{
        address: ipv4('192.0.2.77'),
        prefixLength: 24,
        tentative: false,
        duplicate: false,
        deprecated: false,
      },
      ...{ validUntil: NEVER, epoch: 1 },
    },
  ],
  routers: [{ family: 4, gateway: undefined, metric: 100, validUntil: NEVER, epoch: 1 }],
};

/** A node that has never logged in, attached to a network; it collects the answers. */
class Newcomer {
  readonly answers = new Map<number, NameAnswer>();
  readonly #node = createNtmobileNode(
    {
      ...{
        own: keyPairOf(new Uint8Array(32).fill(7)),
        port: 7890,
        interfaces: [],
        excludedAddresses: [],
      },
      ...{ virtualIpv4Prefix: prefixOf('198.18.0.0/15'), generalNames: [], unreachableNames: true },
      peerNetworks: [],
      ...{ table: 7890, rulePriority: 900 },
    },
    randomOf(1),
  );

  constructor() {
    this.step(0, { kind: 'clock', offsetMs: 1_800_000_000_000 });
    this.step(0, { kind: 'restored' });
    this.step(0, { kind: 'network', interfaces: [PLUGGED_IN] });
  }

  step(now: number, input: NtmobileNodeInput): void {
    const out: Output[] = [];
    this.#node.step(monotonic(now), input, out);
    for (const output of out)
      if (output.kind === 'answer') this.answers.set(output.id, output.answer);
  }

  ask(now: number, id: number): void {
    this.step(now, { kind: 'query', id, name: 'b.nodes.example', unreachable: false });
  }

  deadline(): number {
    return this.#node.deadline();
  }
}

describe('a name that is requested before the first login', () => {
  let node: Newcomer;
  beforeEach(() => {
    node = new Newcomer();
    node.ask(100, 1);
    expect(node.answers.size).toBe(0);
  });

  it('uses the access network’s resolver if the login fails, as do later names', () => {
    node.step(300, { kind: 'logged-in', outcome: REFUSED });
    expect(node.answers.get(1)).toEqual(FORWARDED);
    node.ask(400, 2);
    expect(node.answers.get(2)).toEqual(FORWARDED);
  });

  it('waits at most two seconds; later names do not wait', () => {
    node.ask(1_500, 2);
    expect(node.deadline()).toBe(2_100);
    node.step(2_099, { kind: 'tick' });
    expect(node.answers.size).toBe(0);
    node.step(2_100, { kind: 'tick' });
    expect([...node.answers]).toEqual([
      [1, FORWARDED],
      [2, FORWARDED],
    ]);
    node.ask(2_200, 3);
    expect(node.answers.get(3)).toEqual(FORWARDED);
  });
});

it('a name of the zone that is requested before the first login is answered after it', () => {
  const world = new World();
  const b = world.node('b', [world.ipv4()]);
  const a = world.node('a', []);
  const query = a.query(`b.${ZONE}`);
  world.internet.pass(1_000);
  expect(a.answers.get(query)).toBeUndefined();
  a.move([world.ipv4()]);
  world.internet.pass(1_000);
  expect(a.answers.get(query)).toMatchObject({
    outcome: 'addresses',
    addresses: [b.virtualIpv6, expect.anything()],
  });
});
