/** Allocation of virtual IPv4 addresses to devices. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { AccountDatabase } from '#account-server/account-database.ts';
import { Accounts } from '#account-server/accounts.ts';
import { type Device, Devices } from '#account-server/devices.ts';
import { ipv4, type Prefix } from '#base/ip.ts';

const directory = mkdtempSync(join(tmpdir(), 'sojourn-accounts-'));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function openDatabase(): AccountDatabase {
  return new AccountDatabase(join(directory, `${files++}.sqlite`));
}

describe('Devices.freeAddress', () => {
  const PREFIX: Prefix = { address: ipv4('198.18.0.0'), length: 29 };
  const NOW = 1000;

  function open() {
    const database = openDatabase();
    const accounts = new Accounts(database);
    accounts.add({ name: 'a', fqdn: 'a.example', groups: [], createdAt: 0, password: undefined });
    const devices = new Devices(database);
    let keys = 0;
    const add = (): Device => {
      const virtualIpv4 = devices.freeAddress(PREFIX, NOW);
      if (virtualIpv4 === undefined) throw new Error('none is free');
      const publicKey = new Uint8Array(32).fill(++keys);
      devices.add({ account: 1, label: `l${keys}`, publicKey, virtualIpv4, enrolledAt: NOW });
      const made = devices.findByPublicKey(publicKey);
      if (made === undefined) throw new Error('not stored');
      return made;
    };
    return { database, devices, add };
  }

  it('allocates in order, without the first and the last address of the prefix', () => {
    const scene = open();
    const given = Array.from({ length: 6 }, () => scene.add().virtualIpv4);
    expect(given).toEqual([1, 2, 3, 4, 5, 6].map((last) => `198.18.0.${last}`));
    expect(scene.devices.freeAddress(PREFIX, NOW)).toBeUndefined();
    scene.database.close();
  });

  it('holds the address of a removed device until its credential expires', () => {
    const { database, devices, add } = open();
    const all = Array.from({ length: 6 }, add);
    const [, second] = all;
    if (second === undefined) throw new Error('no second');
    devices.update({ ...second, credentialUntil: NOW + 10 });
    devices.remove({ ...second, credentialUntil: NOW + 10 });
    expect(devices.freeAddress(PREFIX, NOW + 9)).toBeUndefined();
    expect(devices.freeAddress(PREFIX, NOW + 10)).toBe(second.virtualIpv4);
    database.close();
  });

  it('reuses a released address as late as possible', () => {
    const { database, devices, add } = open();
    const first = add();
    add();
    devices.remove(first);
    expect(devices.freeAddress(PREFIX, NOW)).toBe('198.18.0.3');
    database.close();
  });

  it('never allocates an address twice in random sequences of adding and removing', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(7), { maxLength: 40 }), (steps) => {
        const { database, devices, add } = open();
        for (const step of steps) {
          const all = devices.list();
          const gone = all[step];
          if (gone !== undefined) devices.remove(gone);
          else if (devices.freeAddress(PREFIX, NOW) !== undefined) add();
        }
        const addresses = devices.list().map(({ virtualIpv4 }) => virtualIpv4);
        database.close();
        expect(new Set(addresses).size).toBe(addresses.length);
        expect(addresses.every((address) => /^198\.18\.0\.[1-6]$/.test(address))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});
