/**
 * DNS messages without their records: id and question.
 *
 * RFC 1035 §4.1.1 (header), §4.1.2 (question);  RFC 4343 (names compare without case)
 */

export const DNS_HEADER_OCTETS = 12;
const RESPONSE_BIT = 0x80;
const TRUNCATED_BIT = 0x02;
const RESPONSE_CODE = 0x0f;
/** Two bits that mark a compression pointer; a first question has none. */
const POINTER = 0xc0;
const TYPE_AND_CLASS_OCTETS = 4;

export function isResponse(octets: Uint8Array): boolean {
  return octets.length >= DNS_HEADER_OCTETS && ((octets[2] ?? 0) & RESPONSE_BIT) !== 0;
}

export function isTruncated(octets: Uint8Array): boolean {
  return ((octets[2] ?? 0) & TRUNCATED_BIT) !== 0;
}

export function responseCode(octets: Uint8Array): number {
  return (octets[3] ?? 0) & RESPONSE_CODE;
}

/** A copy with another id. */
export function withId(octets: Uint8Array, id: number): Buffer {
  const copy = Buffer.from(octets);
  copy.writeUInt16BE(id, 0);
  return copy;
}

/** Octets of the question; undefined unless there is exactly one, and whole. */
export function questionOf(octets: Uint8Array): Uint8Array | undefined {
  if (octets.length < DNS_HEADER_OCTETS || octets[4] !== 0 || octets[5] !== 1) return undefined;
  let at = DNS_HEADER_OCTETS;
  for (let length = octets[at]; length !== 0; length = octets[at]) {
    if (length === undefined || (length & POINTER) !== 0) return undefined;
    at += 1 + length;
  }
  const end = at + 1 + TYPE_AND_CLASS_OCTETS;
  return end > octets.length ? undefined : octets.subarray(DNS_HEADER_OCTETS, end);
}

/**
 * Whether `answer` repeats the question of `query`. A server that could not parse the question may
 * leave it out of its error.
 */
export function sameQuestion(answer: Uint8Array, query: Uint8Array): boolean {
  const question = questionOf(query);
  const repeated = questionOf(answer);
  if (repeated === undefined)
    return answer[4] === 0 && answer[5] === 0 && responseCode(answer) !== 0;
  return (
    question?.length === repeated.length &&
    repeated.every((octet, at) => lower(octet) === lower(question[at] ?? 0))
  );
}

function lower(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
}
