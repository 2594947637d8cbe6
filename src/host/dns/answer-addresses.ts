/**
 * The addresses in all sections of a DNS answer, found without an interpretation of other records.
 *
 * RFC 1035 §4.1.3 (records), §4.1.4 (compression);  RFC 3596 §2.2 AAAA
 * RFC 9460 §2.2, §7.3  address hints in SVCB and HTTPS records
 */
import { decode, isMalformed, Reader } from '#base/bytes.ts';
import { type IpAddress, readIpv4, readIpv6 } from '#base/ip.ts';

interface AnswerAddresses {
  /** In the answer section, the owner names of aliases included. */
  readonly answers: readonly IpAddress[];
  /** In the authority and additional sections. */
  readonly others: readonly IpAddress[];
  /** Octets in front of the authority section. */
  readonly answersEnd: number;
}

const TYPE = { a: 1, aaaa: 28, svcb: 64, https: 65 } as const;
const HINT = { ipv4: 4, ipv6: 6 } as const;
const HEADER_REST_OCTETS = 4;
const TYPE_AND_CLASS_OCTETS = 4;
const CLASS_AND_TTL_OCTETS = 6;
const LABEL_TYPE = 0xc0;

/** Undefined for octets that are no DNS message, or of which a record is cut off. */
export function addressesInAnswer(octets: Uint8Array): AnswerAddresses | undefined {
  const found = decode(octets, readMessage);
  return isMalformed(found) ? undefined : found;
}

function readMessage(reader: Reader): AnswerAddresses {
  reader.skip(HEADER_REST_OCTETS);
  const questions = reader.u16();
  const counts = [reader.u16(), reader.u16() + reader.u16()] as const;
  for (let left = questions; left > 0; left -= 1) {
    skipName(reader);
    reader.skip(TYPE_AND_CLASS_OCTETS);
  }
  const answers = readRecords(reader, counts[0]);
  const answersEnd = reader.offset;
  return { answers, others: readRecords(reader, counts[1]), answersEnd };
}

function readRecords(reader: Reader, count: number): readonly IpAddress[] {
  const found: IpAddress[] = [];
  for (let left = count; left > 0; left -= 1) {
    skipName(reader);
    const type = reader.u16();
    reader.skip(CLASS_AND_TTL_OCTETS);
    found.push(...addressesOf(type, new Reader(reader.bytes(reader.u16()))));
  }
  return found;
}

/** A name ends with the root label or with a pointer. */
function skipName(reader: Reader): void {
  for (;;) {
    const length = reader.u8();
    if (length === 0) return;
    if ((length & LABEL_TYPE) === LABEL_TYPE) {
      reader.skip(1);
      return;
    }
    if ((length & LABEL_TYPE) !== 0) reader.fail('a label of an unknown type');
    reader.skip(length);
  }
}

function addressesOf(type: number, data: Reader): readonly IpAddress[] {
  switch (type) {
    case TYPE.a:
      return [readIpv4(data)];
    case TYPE.aaaa:
      return [readIpv6(data)];
    case TYPE.svcb:
    case TYPE.https:
      return hintsIn(data);
    default:
      return [];
  }
}

function hintsIn(data: Reader): readonly IpAddress[] {
  const found: IpAddress[] = [];
  data.skip(2);
  skipName(data);
  while (data.remaining > 0) {
    const key = data.u16();
    const value = new Reader(data.bytes(data.u16()));
    while (key === HINT.ipv4 && value.remaining > 0) found.push(readIpv4(value));
    while (key === HINT.ipv6 && value.remaining > 0) found.push(readIpv6(value));
  }
  return found;
}
