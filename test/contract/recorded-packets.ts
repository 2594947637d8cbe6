/** Packets that another implementation of Mobile IPv6 really sent, by the heading of a group. */
import { readFileSync } from 'node:fs';
import { assert } from '#base/assert.ts';
import { fromHex } from '#base/bytes.ts';

interface RecordedPacket {
  readonly group: string;
  readonly bytes: Uint8Array;
}

/** In the order of the file. */
export const RECORDED: readonly RecordedPacket[] = read();

function read(): readonly RecordedPacket[] {
  const file = new URL('../vectors/mobile-ipv6-recorded.txt', import.meta.url);
  const packets: RecordedPacket[] = [];
  let group = '';
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line.startsWith('== ')) group = line.slice(3);
    else if (/^[0-9a-f]+$/.test(line)) packets.push({ group, bytes: fromHex(line) });
  }
  return packets;
}

export function recorded(group: string, index = 0): Uint8Array {
  const packet = RECORDED.filter((one) => one.group === group)[index];
  assert(packet !== undefined, group);
  return packet.bytes;
}
