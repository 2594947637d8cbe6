/** A kill switch on a host whose nft refuses rules. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { DesiredKillSwitch } from '#engine/contract/packet-filters.ts';
import { openKillSwitch } from '#host/kernel/kill-switch.ts';

const DESIRED: DesiredKillSwitch = {
  ...{ state: 'closed', keptAtStop: false, mark: 7, homeAgents: [], lookups: false },
  ...{ innerDevices: [], splitTunnel: { exclude: [], interfaces: [] } },
};

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nft-'));
  vi.stubEnv('PATH', `${directory}:${process.env['PATH']}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

const answerWith = (script: string): void => {
  writeFileSync(
    join(directory, 'nft'),
    `#!/bin/sh\n[ "$1" != -f ] || cat > /dev/null\n${script}\n`,
  );
  chmodSync(join(directory, 'nft'), 0o755);
};

const outcomeWith = async (isRequired: boolean, ...scripts: readonly string[]) => {
  const unusable: unknown[] = [];
  answerWith('exit 0');
  const killSwitch = openKillSwitch({
    ...{ name: 'mn', file: join(directory, 'file'), device: 'tun0', isRequired },
    onUnusable: (error) => unusable.push({ code: error.code, remedy: error.remedy }),
    onRestored: () => {},
    onRefused: () => {},
  });
  for (const script of scripts) {
    answerWith(script);
    try {
      killSwitch.set(DESIRED);
    } catch {}
  }
  await killSwitch.close();
  return unusable;
};
const REFUSING = '[ "$1" = -f ] && echo "Error: no" >&2 && exit 1; exit 0';

it('ends the start if the first rules are refused, with a remedy', async () => {
  expect(await outcomeWith(true, REFUSING)).toEqual([
    { code: 'ENFTRULES', remedy: expect.stringContaining('killSwitch') },
  ]);
});

it('lives on if a later change is refused, or the first one after a reload', async () => {
  expect(await outcomeWith(true, 'exit 0', REFUSING)).toEqual([]);
  expect(await outcomeWith(false, REFUSING)).toEqual([]);
});
