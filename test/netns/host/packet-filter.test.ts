import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

interface Observed {
  readonly before: readonly string[];
  readonly headers: readonly string[];
  readonly everything: readonly string[];
  readonly after: readonly string[];
  readonly left: string;
}

const root = join(import.meta.dirname, '../../..');
let observed: Observed;

beforeAll(() => {
  const command = [
    join(root, 'lab/enter.ts'),
    '--',
    process.execPath,
    join(import.meta.dirname, 'packet-filter-inside.ts'),
  ];
  observed = JSON.parse(execFileSync(process.execPath, command, { encoding: 'utf8', cwd: root }));
});

/** Answers that every kernel gives, with and without Mobile IPv6 support. */
const FOREIGN = ['unknown-protocol', 'unknown-option'];
/** ESP with the SPI of another program's association; some kernels answer it. */
const FOREIGN_ESP = 'esp-of-others';

describe('the packet filter', () => {
  it('finds a kernel that, unfiltered, answers more than unknown protocols and options', () => {
    expect(observed.before).toEqual(expect.arrayContaining(FOREIGN));
    expect(observed.before.length).toBeGreaterThan(FOREIGN.length);
  });

  it('stops the kernel’s answers to Mobile IPv6 headers and leaves foreign tunnels alone', () => {
    expect(observed.headers).toEqual(
      observed.before.filter((name) =>
        [...FOREIGN, 'tunnel-6', 'tunnel-4', 'esp-of-daemon', FOREIGN_ESP].includes(name),
      ),
    );
  });

  it('filters tunnels at the daemon’s outer address and its SPIs, and passes the rest', () => {
    expect(observed.everything).toEqual(
      observed.before.filter((name) => [...FOREIGN, FOREIGN_ESP].includes(name)),
    );
  });

  it('leaves no rule behind', () => {
    expect(observed.after).toEqual(observed.before);
    expect(observed.left).toBe('');
  });
});
