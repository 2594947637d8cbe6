/**
 * The records in this program's own DNS answers, and how they are written behind a question.
 *
 * RFC 1035 §3.2, §3.3, §4.1.3, §4.1.4 (compression towards the question only), RFC 3596 §2.2
 * RFC 8482 §4.2  HINFO as the answer to ANY
 */
import type { Writer } from '#base/bytes.ts';
import { addressToBytes, type IpAddress } from '#base/ip.ts';
import { DNS_HEADER_OCTETS } from './dns-message.ts';

interface Owner {
  readonly name: string;
  readonly ttl: number;
}

interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

export type DnsRecord =
  | (Owner & { readonly type: 'A' | 'AAAA'; readonly data: IpAddress })
  | (Owner & { readonly type: 'NS' | 'PTR'; readonly data: string })
  | (Owner & { readonly type: 'SOA'; readonly data: SoaData })
  | (Owner & {
      readonly type: 'HINFO';
      readonly data: { readonly cpu: string; readonly os: string };
    });

const TYPES = { A: 1, NS: 2, SOA: 6, PTR: 12, HINFO: 13, AAAA: 28 } as const;
const CLASS_IN = 1;
const POINTER = 0xc000;
const LONGEST_LABEL = 63;
const text = new TextEncoder();

/** The whole answer to ANY: how little it says is the point (RFC 8482). */
export function anyAnswer(name: string, ttl: number): readonly DnsRecord[] {
  return [{ type: 'HINFO', name, ttl, data: { cpu: 'RFC8482', os: '' } }];
}

/** Writes records behind a header and one question. */
export class RecordWriter {
  readonly #writer: Writer;
  /** Where each suffix of the question's name begins, in lower case. */
  readonly #suffixes: ReadonlyMap<string, number>;

  /** `question` in octets, as the client sent it. */
  constructor(writer: Writer, question: Uint8Array) {
    this.#writer = writer;
    this.#suffixes = suffixesOf(question);
  }

  write(record: DnsRecord): void {
    const writer = this.#writer;
    this.#name(record.name);
    writer.u16(TYPES[record.type]);
    writer.u16(CLASS_IN);
    writer.u32(record.ttl);
    const lengthAt = writer.offset;
    writer.u16(0);
    this.#data(record);
    writer.patchU16(lengthAt, writer.offset - lengthAt - 2);
  }

  #data(record: DnsRecord): void {
    const writer = this.#writer;
    switch (record.type) {
      case 'A':
      case 'AAAA':
        writer.bytes(addressToBytes(record.data));
        return;
      case 'NS':
      case 'PTR':
        this.#name(record.data);
        return;
      case 'SOA': {
        const { mname, rname, serial, refresh, retry, expire, minimum } = record.data;
        for (const name of [mname, rname]) this.#name(name);
        for (const number of [serial, refresh, retry, expire, minimum]) writer.u32(number);
        return;
      }
      case 'HINFO':
        for (const string of [record.data.cpu, record.data.os]) this.#string(string);
    }
  }

  #string(value: string): void {
    const octets = text.encode(value);
    this.#writer.u8(octets.length);
    this.#writer.bytes(octets);
  }

  #name(name: string): void {
    for (let rest = name; rest !== ''; ) {
      const at = this.#suffixes.get(rest.toLowerCase());
      if (at !== undefined) {
        this.#writer.u16(POINTER | at);
        return;
      }
      const end = rest.indexOf('.');
      this.#string((end < 0 ? rest : rest.slice(0, end)).slice(0, LONGEST_LABEL));
      rest = end < 0 ? '' : rest.slice(end + 1);
    }
    this.#writer.u8(0);
  }
}

function suffixesOf(question: Uint8Array): ReadonlyMap<string, number> {
  const labels: { readonly at: number; readonly label: string }[] = [];
  let at = 0;
  for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
    const label = Buffer.from(question.subarray(at + 1, at + 1 + length)).toString('latin1');
    labels.push({ at: DNS_HEADER_OCTETS + at, label });
    at += 1 + length;
  }
  return new Map(
    labels.map(({ at: begin }, index) => [
      labels
        .slice(index)
        .map(({ label }) => label)
        .join('.')
        .toLowerCase(),
      begin,
    ]),
  );
}
