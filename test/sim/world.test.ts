/**
 * The world detects broken engines: each row breaks one property, and the run must fail by the
 * check of that property.
 */
import { describe, expect, test } from 'vitest';
import { isIpv6 } from '#base/ip.ts';
import { monotonic, NEVER } from '#base/time.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import type { AnyInput } from './engine-host.ts';
import { look } from './peek.ts';
import { RandomMoves } from './random-moves.ts';
import type { MakeEngine } from './world.ts';

/** The engine with its outputs changed. */
function altered<C>(
  make: MakeEngine<C>,
  change: (input: AnyInput, outputs: Output[]) => Output[],
): MakeEngine<C> {
  return (configuration, random) => {
    const engine = make(configuration, random);
    return {
      deadline: () => engine.deadline(),
      step: (now, input, out) => {
        const outputs: Output[] = [];
        engine.step(now, input, outputs);
        out.push(...change(input, outputs));
      },
    };
  };
}

function withDeadline<C>(
  make: MakeEngine<C>,
  deadline: (engine: Engine<AnyInput>) => number,
): MakeEngine<C> {
  return (configuration, random) => {
    const engine = make(configuration, random);
    return {
      step: (now, input, out) => engine.step(now, input, out),
      deadline: () => monotonic(deadline(engine)),
    };
  };
}

/** Routes and permits of the whole home prefix instead of one home address. */
function withWideRoutes(output: Output): Output {
  if (output.kind !== 'set-desired' || output.part?.planeRoutes === undefined) return output;
  const planeRoutes = output.part.planeRoutes.map((route) =>
    isIpv6(route.prefix.address) ? { ...route, prefix: { ...route.prefix, length: 64 } } : route,
  );
  return { ...output, part: { ...output.part, planeRoutes } };
}

const homeAgent: MakeEngine<HomeAgentConfiguration> = createHomeAgent;
const mobileNode: MakeEngine<MobileNodeConfiguration> = createMobileNode;
let serial = 0;

const BROKEN: readonly {
  readonly name: string;
  readonly caughtBy: RegExp;
  readonly makeHomeAgent?: MakeEngine<HomeAgentConfiguration>;
  readonly makeMobileNode?: MakeEngine<MobileNodeConfiguration>;
}[] = [
  {
    name: 'a home agent that does not persist',
    caughtBy: /has another desired state after its restart|home agent has no binding/,
    makeHomeAgent: altered(homeAgent, (_input, outputs) =>
      outputs.filter(({ kind }) => kind !== 'persist'),
    ),
  },
  {
    name: 'a home agent that accepts replays',
    caughtBy: /replayed Binding Update .* changed state/,
    makeHomeAgent: altered(homeAgent, (input, outputs) =>
      input.kind === 'datagram'
        ? [...outputs, { kind: 'persist', table: 'seen', key: 'last', value: ++serial }]
        : outputs,
    ),
  },
  {
    name: 'a home agent whose timers never fire',
    caughtBy: /outlives its lifetime|idle|converges/,
    makeHomeAgent: withDeadline(homeAgent, () => NEVER),
    makeMobileNode: altered(mobileNode, (input, outputs) =>
      input.kind === 'tick'
        ? outputs.filter(
            (output) => output.kind !== 'send' || look(output.packet).kind !== 'binding-update',
          )
        : outputs,
    ),
  },
  {
    name: 'a home agent with a timer in the past',
    caughtBy: /deadline .* not after the tick|busy loop/,
    makeHomeAgent: withDeadline(homeAgent, () => 1),
  },
  {
    name: 'a home agent that takes the data of every home address from every endpoint',
    caughtBy: /took data .* not from/,
    makeHomeAgent: altered(homeAgent, (_input, outputs) => outputs.map(withWideRoutes)),
  },
  {
    name: 'a mobile node without retransmissions and keepalives',
    caughtBy: /converges|NAT has no mapping|data/,
    makeMobileNode: withDeadline(mobileNode, () => NEVER),
  },
  {
    name: 'a mobile node that never deletes records',
    caughtBy: /records: .* more than/,
    makeMobileNode: altered(mobileNode, (_input, outputs) => [
      ...outputs,
      { kind: 'persist', table: 'log', key: String(++serial), value: true },
    ]),
  },
  {
    name: 'a mobile node that keeps its old tunnel endpoint',
    caughtBy: /leaves from|converges/,
    makeMobileNode: altered(mobileNode, (input, outputs) =>
      outputs.filter(({ kind }) => input.kind !== 'network' || kind !== 'set-desired'),
    ),
  },
];

describe('the simulated world', () => {
  test.each(BROKEN)(
    'detects $name',
    ({ caughtBy, makeHomeAgent = homeAgent, makeMobileNode = mobileNode }) => {
      const run = new RandomMoves({
        seed: 7,
        moves: 600,
        mobiles: 4,
        homeLink: false,
        makeHomeAgent,
        makeMobileNode,
        draw: false,
      });
      expect(() => run.run()).toThrow(caughtBy);
    },
  );

  test('gives the same run for the same seed', () => {
    const run = (seed: number): string =>
      JSON.stringify(
        new RandomMoves({
          seed,
          moves: 100,
          mobiles: 3,
          homeLink: true,
          makeHomeAgent: homeAgent,
          makeMobileNode: mobileNode,
        }).run(),
      );
    expect(run(5)).toBe(run(5));
    expect(run(5)).not.toBe(run(6));
  });
});
