/**
 * A process in one namespace with address maps of its own. It takes its options as argument and one
 * JSON object per line on standard input, and prints errors.
 */
import { createInterface } from 'node:readline';
import { openAddressMaps } from '#host/kernel/address-map.ts';

const maps = await openAddressMaps({
  ...JSON.parse(process.argv[2] ?? ''),
  onLost: (error) => console.log(`lost ${error.message}`),
});
console.log('ready');
for await (const line of createInterface(process.stdin)) {
  const { set, delete: former } = JSON.parse(line);
  if (set !== undefined) maps.set(set);
  if (former !== undefined) maps.delete(former);
}
await maps.close();
