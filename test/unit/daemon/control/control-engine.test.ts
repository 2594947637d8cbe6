/**
 * Configuration, store, engine, driver and control socket as in the daemons; plane and kernel are
 * fakes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkConfiguration, formatFault, type Loaded } from '#daemon/configuration/config.ts';
import { ask } from '#daemon/control/control-client.ts';
import { ControlServer } from '#daemon/control/control-socket.ts';
import { EventHistory } from '#daemon/control/event-history.ts';
import type { Engine } from '#engine/contract/engine.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { createClock } from '#host/process/clock.ts';
import { randomBytes } from '#host/process/random.ts';
import { createDriver, type Driver, type DriverInput } from '#runtime/driver.ts';
import { FakeKernel } from '#runtime/fakes/kernel.ts';
import { FakePlane } from '#runtime/fakes/plane.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import { homeAgentSchema } from '../../../../daemons/ha/config.ts';
import { mobileNodeSchema } from '../../../../daemons/mn/config.ts';

const SECURITY = "{ spi: 1000, key: 'text:sixteen octets or more' }";
const HA = `addresses: [2001:db8:1::1]
ipv4Addresses: [192.0.2.1]
homePrefixes: [2001:db8:1:100::/64]
mobileNodes:
  - { identifier: a@example.net, homeAddresses: [2001:db8:1:100::10], security: ${SECURITY} }
`;
const MN = `homes:
  - homeAgent: 2001:db8:1::1
    homeAddress: '2001:db8:1:100::10'
    identifier: a@example.net
    security: ${SECURITY}
`;

let directory = '';
let path = '';
let driver: Driver | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-engine-'));
  path = join(directory, 'it.sock');
});

afterEach(() => {
  expect(driver?.stop()).toEqual([]);
  rmSync(directory, { recursive: true });
});

async function run(engine: Engine<DriverInput>): Promise<void> {
  const history = new EventHistory();
  driver = createDriver({
    engine,
    clock: createClock(),
    plane: new FakePlane(),
    kernel: new FakeKernel(),
    innerAddresses: { protect() {}, release() {} },
    store: openSqliteStore(join(directory, 'it.sqlite')),
    events: history,
    control: await ControlServer.open({ path, group: undefined, history }),
    onFatal: (error) => {
      throw error;
    },
  });
  driver.start();
}

function good<T>(loaded: Loaded<T>): T {
  if (!loaded.ok) throw new Error(loaded.faults.map(formatFault).join('\n'));
  return loaded.value;
}

describe('a daemon at its control socket', () => {
  it('answers every query of a home agent', async () => {
    const { homeAgent } = good(checkConfiguration('ha.yaml', HA, homeAgentSchema));
    await run(createHomeAgent(homeAgent, randomBytes));
    expect(await ask(path, 'status')).toMatchObject({
      ok: true,
      value: {
        role: 'home-agent',
        addresses: ['2001:db8:1::1'],
        mobileNodes: 1,
        bindings: 0,
        insecure: false,
      },
    });
    expect(await ask(path, 'bindings')).toEqual({ ok: true, value: [] });
    expect(await ask(path, 'tunnels')).toEqual({ ok: true, value: [] });
    expect(await ask(path, 'stats')).toMatchObject({
      ok: true,
      value: { plane: expect.anything() },
    });
    expect(await ask(path, 'fly')).toMatchObject({ ok: false });
  });

  it('answers every query of a mobile node', async () => {
    const { mobileNode } = good(checkConfiguration('mn.yaml', MN, mobileNodeSchema));
    await run(createMobileNode(mobileNode, randomBytes));
    expect(await ask(path, 'status')).toMatchObject({
      ok: true,
      value: {
        role: 'mobile-node',
        homes: [{ homeAddress: '2001:db8:1:100::10', phase: 'detached' }],
      },
    });
    expect(JSON.stringify(await ask(path, 'status'))).not.toContain('sixteen');
    expect(await ask(path, 'bindings')).toEqual({ ok: true, value: [] });
  });
});
