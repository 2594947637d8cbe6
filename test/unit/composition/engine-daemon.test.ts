/** The composition that all daemons with an engine share: order of stop, failed start. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NEVER } from '#base/time.ts';
import { type EngineDaemonParts, startEngineDaemon } from '#composition/engine-daemon.ts';
import { ControlServer } from '#daemon/control/control-socket.ts';
import { EventHistory } from '#daemon/control/event-history.ts';
import type { DaemonContext } from '#daemon/daemon-spec.ts';
import { createLog } from '#daemon/log.ts';
import { MessageWatch } from '#daemon/messages/message-watch.ts';
import { FakeKernel } from '#runtime/fakes/kernel.ts';
import { FakePlane } from '#runtime/fakes/plane.ts';

let directory = '';
let steps: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-composition-'));
  steps = [];
});

afterEach(() => rmSync(directory, { recursive: true }));

async function contextOf(): Promise<DaemonContext> {
  const history = new EventHistory();
  const path = join(directory, 'it.sock');
  return {
    log: createLog({ name: 'it', level: 'silent', format: 'json' }),
    events: history,
    control: await ControlServer.open({ path, group: undefined, history }),
    messages: new MessageWatch(),
    fatal: (error) => steps.push(`fatal ${String(error)}`),
  };
}

/** A daemon whose parts write their steps; `fails` makes the engine fail. */
function partsOf(fails: boolean): EngineDaemonParts<number> {
  const controlSocket = join(directory, 'it.sock');
  const log = { logLevel: 'silent', logFormat: 'json' } as const;
  const daemon = { name: 'it', stateDirectory: directory, controlSocket, ...log };
  return {
    daemon,
    openPorts: ({ resources }, opened) => {
      resources.defer(() => void steps.push('resource closed'));
      return {
        plane: opened.adopt(new FakePlane(steps), (it) => it.close()),
        kernel: opened.adopt(new FakeKernel(steps), (it) => it.close()),
      };
    },
    makeEngine({ servers }) {
      servers.defer(() => void steps.push('server closed'));
      if (fails) throw new Error('no engine');
      return {
        engine: {
          counters: {},
          deadline: () => NEVER,
          step: (_now, { kind }) => void steps.push(kind),
        },
        reconfigure: (_now, settings) => void steps.push(`settings ${settings}`),
        started: async () => void steps.push('started'),
      };
    },
  };
}

describe('startEngineDaemon', () => {
  it('closes servers, then stops the driver, then closes the other resources', async () => {
    const running = await startEngineDaemon(partsOf(false), await contextOf());
    await running.reconfigure?.(7);
    expect(steps.slice(-2)).toEqual(['started', 'settings 7']);
    expect(await running.stop()).toEqual([]);
    expect(steps.slice(-5)).toEqual([
      ...['server closed', 'stop', 'kernel closed', 'plane closed', 'resource closed'],
    ]);
  });

  it('closes everything in reverse order if the start fails', async () => {
    const context = await contextOf();
    await expect(startEngineDaemon(partsOf(true), context)).rejects.toThrow('no engine');
    context.control.close();
    expect(steps).toEqual(['server closed', 'kernel closed', 'plane closed', 'resource closed']);
  });
});
