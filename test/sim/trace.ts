/**
 * A Mermaid sequence diagram and a pcap of a world's last events, written when a run fails.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writer } from '#base/bytes.ts';
import { type IpAddress, isIpv6, writeIp } from '#base/ip.ts';
import { describeFrame, type Frame, type SentData } from './frame.ts';

interface Entry {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly frame: Frame | undefined;
  readonly text: string;
}

const KEPT = 600;

export class Trace {
  readonly #entries: Entry[] = [];
  /** Called with every frame that arrives or is lost (`to` is 'lost' then). */
  onFrame: (from: string, to: string, frame: Frame) => void = () => {};

  note(at: number, who: string, text: string): void {
    this.#add({ at, from: who, to: who, frame: undefined, text });
  }

  frame(at: number, from: string, to: string, frame: Frame, text = ''): void {
    this.#add({ at, from, to, frame, text });
    this.onFrame(from, to, frame);
  }

  mermaid(): string {
    const lines = ['sequenceDiagram'];
    for (const { at, from, to, frame, text } of this.#entries) {
      const stamp = `${(at / 1000).toFixed(3)}s`;
      if (frame === undefined) lines.push(`  Note over ${name(from)}: ${stamp} ${clean(text)}`);
      else
        lines.push(
          `  ${name(from)}->>${name(to)}: ${stamp} ${clean(describeFrame(frame))} ${clean(text)}`,
        );
    }
    return `${lines.join('\n')}\n`;
  }

  /** Classic pcap, link type RAW (the packet begins with its IP header). */
  pcap(): Uint8Array {
    const writer = new Writer(65_536);
    for (const word of [0xa1b2c3d4, 0x00020004, 0, 0, 65_535, 101]) writer.u32(word);
    for (const { at, frame } of this.#entries) {
      if (frame === undefined) continue;
      const bytes = bytesOfFrame(frame);
      writer.u32(Math.floor(at / 1000));
      writer.u32(Math.floor((at % 1000) * 1000));
      writer.u32(bytes.length);
      writer.u32(bytes.length);
      writer.bytes(bytes);
    }
    return writer.finish();
  }

  /** Writes both files into a fresh temporary directory and gives its path. */
  write(reason: string): string {
    const directory = mkdtempSync(join(tmpdir(), 'sojourn-sim-'));
    writeFileSync(join(directory, 'sequence.mmd'), `%% ${clean(reason)}\n${this.mermaid()}`);
    writeFileSync(join(directory, 'world.pcap'), this.pcap());
    return directory;
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    if (this.#entries.length > KEPT * 2) this.#entries.splice(0, KEPT);
  }
}

const name = (host: string): string => host.replace(/[^A-Za-z0-9]/g, '_');
const clean = (text: string): string => text.replace(/[\n;#]/g, ' ');

const PROTOCOL_UDP = 17;
const PROTOCOL_IPV4 = 4;
const PROTOCOL_IPV6 = 41;
const DATA_PORT = 9;

function bytesOfFrame(frame: Frame): Uint8Array {
  const inner = frame.control ?? bytesOfData(frame.data);
  if (frame.encapsulation === 'none') return inner;
  if (frame.encapsulation === 'udp') {
    return ip(
      frame.source,
      frame.destination,
      PROTOCOL_UDP,
      udp(frame.source, frame.destination, frame.sourcePort, frame.destinationPort, inner),
    );
  }
  return ip(
    frame.source,
    frame.destination,
    (inner[0] ?? 0) >> 4 === 4 ? PROTOCOL_IPV4 : PROTOCOL_IPV6,
    inner,
  );
}

function bytesOfData(data: SentData | undefined): Uint8Array {
  if (data === undefined) return new Uint8Array(0);
  const payload = new Writer(8);
  payload.u64(BigInt(data.number));
  return ip(
    data.source,
    data.destination,
    PROTOCOL_UDP,
    udp(data.source, data.destination, DATA_PORT, DATA_PORT, payload.finish()),
  );
}

function udp(
  source: IpAddress,
  destination: IpAddress,
  sourcePort: number,
  destinationPort: number,
  payload: Uint8Array,
): Uint8Array {
  const length = 8 + payload.length;
  const pseudo = new Writer(64);
  writeIp(pseudo, source);
  writeIp(pseudo, destination);
  pseudo.u32(length);
  pseudo.u32(PROTOCOL_UDP);
  const datagram = new Writer(length);
  datagram.u16(sourcePort);
  datagram.u16(destinationPort);
  datagram.u16(length);
  datagram.u16(0);
  datagram.bytes(payload);
  const sum = internetSum(pseudo.finish()) + internetSum(datagram.finish());
  datagram.patchU16(6, folded(sum) || 0xffff);
  return datagram.finish();
}

function ip(
  source: IpAddress,
  destination: IpAddress,
  protocol: number,
  payload: Uint8Array,
): Uint8Array {
  const writer = new Writer(40 + payload.length);
  if (isIpv6(source)) {
    writer.u32(0x60000000);
    writer.u16(payload.length);
    writer.u8(protocol);
    writer.u8(64);
    writeIp(writer, source);
    writeIp(writer, destination);
  } else {
    writer.u16(0x4500);
    writer.u16(20 + payload.length);
    writer.u32(0x00004000);
    writer.u8(64);
    writer.u8(protocol);
    writer.u16(0);
    writeIp(writer, source);
    writeIp(writer, destination);
    writer.patchU16(10, folded(internetSum(writer.finish())));
  }
  writer.bytes(payload);
  return writer.finish();
}

export function internetSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2)
    sum += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  return sum;
}

export function folded(sum: number): number {
  let folding = sum;
  while (folding > 0xffff) folding = (folding & 0xffff) + Math.floor(folding / 0x10000);
  return ~folding & 0xffff;
}
