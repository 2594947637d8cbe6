import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const READ_ONLY = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && ';

interface Observation {
  readonly control: string;
  readonly present: string;
  readonly value: string;
  readonly refusal: { readonly code: string; readonly message: string };
}

/** Runs in a separate lab after `prelude` has changed it. */
function inspect(prelude: string): Observation {
  const inside = join(import.meta.dirname, 'read-only-settings-inside.ts');
  const command = ['sh', '-c', `${prelude}exec "$0" "${inside}"`, process.execPath];
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'lab/enter.ts'), '--', ...command],
    {
      encoding: 'utf8',
      cwd: root,
    },
  );
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

describe('settings of the kernel in a container', () => {
  it('keeps the settings of a read-only /proc/sys and names the one that has to change', () => {
    const { control, present, value, refusal } = inspect(READ_ONLY);
    expect([control, value]).toEqual(['given', present]);
    expect(refusal.code).toBe('EROFS');
    expect(refusal.message).toContain(
      'net/ipv6/conf/lo/hop_limit has to be 77, but /proc/sys is read-only',
    );
    expect(refusal.message).toContain('--sysctl net.ipv6.conf.lo.hop_limit=77');
  });

  it('applies settings where /proc/sys is writable', () => {
    const { control, value, refusal } = inspect('');
    expect(['by-interface', 'everywhere']).toContain(control);
    expect([value, refusal.code]).toEqual(['77', 'none']);
  });
});
