/** A resolv.conf that names a daemon's stub resolver. */
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EngineEvent } from '#engine/contract/output.ts';
import { ResolvConf, restoreResolvConf } from '#host/dns/resolv-conf.ts';

const STUB = '127.0.78.90';
const BEFORE =
  '# by hand\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n' +
  'search example.net\noptions timeout:1\n';

let directory = '';
let file = '';
let backup = '';
let notes: EngineEvent[] = [];
const open: ResolvConf[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-resolv-'));
  file = join(directory, 'resolv.conf');
  backup = join(directory, 'state', 'backup.json');
  notes = [];
});
afterEach(() => {
  for (const one of open.splice(0)) one[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

function take(): ResolvConf {
  const taken = new ResolvConf({
    file,
    backup,
    servers: [STUB],
    owner: 'mn',
    note: (event) => notes.push(event),
  });
  open.push(taken);
  return taken;
}

const read = (): string => readFileSync(file, 'utf8');
const serversOf = (text: string): readonly string[] =>
  [...text.matchAll(/^nameserver (\S+)$/gm)].map(([, one = '']) => one);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** As careful programs write it: by renaming a new file. */
function rewrite(text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

describe('a resolv.conf', () => {
  it('can be read by every user whatever the umask is', () => {
    writeFileSync(file, BEFORE);
    const before = process.umask(0o077);
    try {
      take();
    } finally {
      process.umask(before);
    }
    expect(statSync(file).mode & 0o777).toBe(0o644);
  });

  it('names the stub only, keeps search domains and options, and is restored at the end', () => {
    writeFileSync(file, BEFORE);
    const taken = take();
    expect(serversOf(read())).toEqual([STUB]);
    expect(read()).toMatch(
      /^# Made by Sojourn \(mn\).*\nnameserver .*\nsearch example\.net\noptions timeout:1\n$/,
    );
    expect(taken.former).toBe(BEFORE);
    taken[Symbol.dispose]();
    expect(read()).toBe(BEFORE);
    expect(existsSync(backup)).toBe(false);
  });

  it('becomes a symbolic link again if it was one', () => {
    writeFileSync(join(directory, 'other'), BEFORE);
    symlinkSync('other', file);
    const taken = take();
    expect([serversOf(read()), taken.former]).toEqual([[STUB], BEFORE]);
    expect(readFileSync(join(directory, 'other'), 'utf8')).toBe(BEFORE);
    taken[Symbol.dispose]();
    expect(readlinkSync(file)).toBe('other');
  });

  it('disappears again if it did not exist', () => {
    const taken = take();
    expect([serversOf(read()), taken.former]).toEqual([[STUB], '']);
    taken[Symbol.dispose]();
    expect(existsSync(file)).toBe(false);
  });

  it('can be restored after a killed daemon, or taken over with the former backup', () => {
    writeFileSync(file, BEFORE);
    take();
    expect(take().former).toBe(BEFORE);
    restoreResolvConf({ file, backup });
    expect(read()).toBe(BEFORE);
    restoreResolvConf({ file, backup });
    expect(read()).toBe(BEFORE);
  });

  it('keeps the text that another program wrote after a killed daemon', () => {
    writeFileSync(file, BEFORE);
    take();
    for (const one of open.splice(0)) one.leave();
    writeFileSync(file, 'nameserver 198.51.100.53\n');
    restoreResolvConf({ file, backup });
    expect(read()).toBe('nameserver 198.51.100.53\n');
    expect(existsSync(backup)).toBe(false);
  });

  it('names the stub again after a DHCP client wrote it, and uses its servers', async () => {
    writeFileSync(file, BEFORE);
    const taken = take();
    rewrite('nameserver 198.51.100.53\nsearch visited.example\n');
    await until(() => serversOf(taken.former)[0] === '198.51.100.53');
    expect(read()).toMatch(
      new RegExp(`^# Made by .*\nnameserver ${STUB}\nsearch visited\\.example\n$`),
    );
    taken[Symbol.dispose]();
    expect(read()).toBe('nameserver 198.51.100.53\nsearch visited.example\n');
  });

  it('keeps the text of a program that writes it repeatedly, with an event', async () => {
    writeFileSync(file, BEFORE);
    take();
    for (let at = 0; notes.length === 0; at += 1) {
      rewrite(`nameserver 198.51.100.${at}\n`);
      await until(() => notes.length > 0 || serversOf(read())[0] === STUB);
    }
    expect(notes).toMatchObject([{ name: 'resolver-contested', fields: { file } }]);
    expect(serversOf(read())[0]).toMatch(/^198\.51\.100\./);
  });

  it('remains as it is if the backup is not valid', () => {
    writeFileSync(file, BEFORE);
    take();
    writeFileSync(backup, '{"kind":"file"}');
    const made = read();
    restoreResolvConf({ file, backup });
    expect(read()).toBe(made);
  });
});
