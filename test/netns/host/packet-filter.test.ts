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

/** What every kernel answers, with and without Mobile IPv6 of its own. */
const FOREIGN = ['unknown-protocol', 'unknown-option'];

describe('the packet filter', () => {
  it('is needed: without it this kernel answers more than what is unknown to everybody', () => {
    expect(observed.before).toEqual(expect.arrayContaining(FOREIGN));
    expect(observed.before.length).toBeGreaterThan(FOREIGN.length);
  });

  it('keeps the kernel from answering Mobile IPv6 headers, and leaves tunnels that are not ours alone', () => {
    expect(observed.headers).toEqual(
      observed.before.filter((name) => [...FOREIGN, 'tunnel-6', 'tunnel-4'].includes(name)),
    );
  });

  it('takes tunnels at our outer address too, and lets the rest pass', () => {
    expect(observed.everything).toEqual(FOREIGN);
  });

  it('leaves nothing behind', () => {
    expect(observed.after).toEqual(observed.before);
    expect(observed.left).toBe('');
  });
});
