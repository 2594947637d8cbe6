/**
 * Child process of store.test.ts: writes pairs of records without end, one transaction each, and
 * prints each number once it is stored.
 */
import { writeSync } from 'node:fs';
import { openSqliteStore } from '#store/sqlite.ts';

const store = openSqliteStore(process.argv[2] ?? '');
for (let count = 1; ; count++) {
  store.apply([
    { table: 'left', key: 'k', value: count },
    { table: 'right', key: 'k', value: count },
    { table: 'all', key: String(count), value: { count } },
  ]);
  writeSync(1, `${count}\n`);
}
