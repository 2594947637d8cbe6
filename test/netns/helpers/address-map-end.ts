/**
 * A process in one namespace with address maps of its own: options in its argument, one JSON object
 * a line on standard input, what went wrong on output.
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
