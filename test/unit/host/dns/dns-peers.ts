/** Peers of the stub resolver: a resolver of the access network, and queries of a client. */
import { type Answer, decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet';

/** Names of the access network: type and name → address. */
const KNOWN: Readonly<Record<string, string>> = {
  ...{ 'A four.example': '192.0.2.4', 'AAAA six.example': '2001:db8::6' },
  ...{ 'A both.example': '192.0.2.8', 'AAAA both.example': '2001:db8::8' },
};

/** The answer of a resolver of the access network; undefined: it stays silent. */
export function answerAsAccessNetwork(
  octets: Uint8Array,
  transport: 'udp' | 'tcp',
): Uint8Array | undefined {
  const query = decode(Buffer.from(octets));
  const [question] = query.questions ?? [];
  if (question === undefined) return undefined;
  const { type, name } = question;
  const reply: Packet = {
    type: 'response',
    id: query.id ?? 0,
    questions: [question],
    flags: 0x0180,
  };
  if (name === 'silent.example') return undefined;
  if (name === 'failing.example') return encode({ ...reply, flags: 0x0182 });
  if (name === 'large.example' && transport === 'udp') return encode({ ...reply, flags: 0x0380 });
  if (name === 'large.example') {
    const answers = Array.from(
      { length: 100 },
      (_, at): Answer => ({ type: 'A', name, ttl: 5, data: `192.0.2.${at}` }),
    );
    return encode({ ...reply, answers });
  }
  if (type === 'TXT')
    return encode({ ...reply, answers: [{ type: 'TXT', name, ttl: 5, data: ['as it is'] }] });
  const data = KNOWN[`${type} ${name.toLowerCase()}`];
  if (data !== undefined && (type === 'A' || type === 'AAAA'))
    return encode({ ...reply, answers: [{ type, name, ttl: 5, data }] });
  const exists = Object.keys(KNOWN).some((key) => key.endsWith(` ${name.toLowerCase()}`));
  return encode({ ...reply, flags: exists ? 0x0180 : 0x0183 });
}

export function query(
  name: string,
  type: 'A' | 'AAAA' | 'TXT' | 'PTR' | 'MX' = 'A',
  more: Partial<Packet> = {},
): Buffer {
  return encode({
    type: 'query',
    id: 77,
    flags: RECURSION_DESIRED,
    questions: [{ type, name, class: 'IN' }],
    ...more,
  });
}

/** With a numeric type, for types that dns-packet does not have. */
export function queryOfType(name: string, type: number): Buffer {
  const octets = query(name);
  octets.writeUInt16BE(type, octets.length - 4);
  return octets;
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

export const rcodeOf = (octets: Uint8Array): number => (octets[3] ?? 0) & 0x0f;
