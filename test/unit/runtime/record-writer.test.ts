import { describe, expect, it } from 'vitest';
import { after, monotonic, NEVER } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import { RecordWriter } from '#runtime/record-writer.ts';
import { MemoryStore } from '#store/memory.ts';

/** A store that can refuse, and that counts the records of each call. */
class FullStore extends MemoryStore {
  readonly asked: number[] = [];
  full = true;

  override apply(changes: Parameters<MemoryStore['apply']>[0]): void {
    this.asked.push(changes.length);
    if (this.full) throw Object.assign(new Error('disk full'), { code: 'STORE_IO' });
    super.apply(changes);
  }
}

const NOW = monotonic(5_000);

const record = (key: string, value: number | undefined): readonly Output[] => [
  { kind: 'persist', table: 't', key, value },
];

describe('a store that refuses for long', () => {
  it('gets only new records while it refuses', () => {
    const store = new FullStore();
    const writer = new RecordWriter(store);
    for (let index = 0; index < 500; index++)
      expect(writer.write(NOW, record(`k${index}`, index))).toBe(false);
    for (let tick = 0; tick < 10; tick++) expect(writer.flush()).toBe(false);
    expect(writer.backlog).toBe(500);
    expect(Math.max(...store.asked)).toBe(1);
  });

  it.each([
    ['the next record', (writer: RecordWriter) => writer.write(NOW, record('k0', 1000))],
    ['the next tick', (writer: RecordWriter) => writer.flush()],
  ])('gets the latest value of every record with %s once it accepts records again', (_, resume) => {
    const store = new FullStore();
    const writer = new RecordWriter(store);
    for (let index = 0; index < 75; index++) writer.write(NOW, record(`k${index % 50}`, index));
    writer.write(NOW, record('k7', undefined));
    store.full = false;
    expect(resume(writer)).toBe(true);
    expect(writer.backlog).toBe(0);
    const values = new Map([...store.records.values()].map(({ key, value }) => [key, value]));
    expect(values.size).toBe(49);
    expect([values.get('k1'), values.get('k24'), values.get('k25')]).toEqual([51, 74, 25]);
    expect([50, 1000]).toContain(values.get('k0'));
  });
});

describe('a store that is not usable', () => {
  it('gets another attempt at growing intervals until it has everything', () => {
    const store = new FullStore();
    const reports: (string | undefined)[] = [];
    const writer = new RecordWriter(store, (fault) => reports.push(fault));
    expect(writer.deadline()).toBe(NEVER);
    writer.write(NOW, record('k', 1));
    const waits: number[] = [];
    for (let attempt = 0; attempt < 7; attempt++) {
      const at = writer.deadline();
      waits.push(at - NOW - waits.reduce((sum, one) => sum + one, 0));
      writer.tick(at);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30].map((seconds) => seconds * 1000));
    expect(writer.status()).toEqual({ storeFailures: 8, storeBacklog: 1, storeFault: 'disk full' });
    store.full = false;
    writer.tick(writer.deadline());
    expect(store.records.get('t\0k')?.value).toBe(1);
    expect(writer.status()).toEqual({ storeFailures: 8, storeBacklog: 0 });
    expect(writer.deadline()).toBe(NEVER);
    expect(reports).toEqual(['disk full', undefined]);
  });

  it('leads to a report at the start, before the first record', () => {
    const store = Object.assign(new FullStore(), { fault: 'no directory' });
    const reports: (string | undefined)[] = [];
    const writer = new RecordWriter(store, (fault) => reports.push(fault));
    writer.start(NOW);
    expect(reports).toEqual(['no directory']);
    expect(writer.deadline()).toBe(after(NOW, 1_000));
    store.full = false;
    writer.tick(writer.deadline());
    expect(reports).toEqual(['no directory', undefined]);
  });
});
