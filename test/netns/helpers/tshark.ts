/** Dissects captures with tshark, as an independent check of Sojourn's packets. */
import { run } from '#lab/shell.ts';

/** Preferences that enable all of tshark's checks. */
const STRICT = [
  '-o',
  'ip.check_checksum:TRUE',
  '-o',
  'udp.check_checksum:TRUE',
  '-d',
  'udp.port==4191,ipv6',
];

/**
 * One packet: the values of its fields by name. Several occurrences are joined by commas; an absent
 * field is ''.
 */
export type Fields = (name: string) => string;

/** The packets of `file` that pass the display filter, in order. */
export async function dissect(
  file: string,
  filter: string,
  names: readonly string[],
  preferences: readonly string[] = [],
): Promise<readonly Fields[]> {
  const options = names.flatMap((name) => ['-e', name]);
  const argv = [
    'tshark',
    '-r',
    file,
    '-Y',
    filter,
    '-T',
    'fields',
    '-E',
    'occurrence=a',
    ...STRICT,
    ...preferences,
    ...options,
  ];
  const text = await run(argv);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))
    .map((values) => fieldsOf(names, values));
}

/** Fields of one packet by name; a field that was not requested is ''. */
function fieldsOf(names: readonly string[], values: readonly string[]): Fields {
  const entries = new Map(names.map((name, at) => [name, values[at] ?? '']));
  return (name) => {
    const value = entries.get(name);
    if (value === undefined) throw new Error(`${name} was not requested`);
    return value;
  };
}

/** The raw octets (hexadecimal) of `protocol` in each packet that passes the filter, in order. */
export async function octetsOf(
  file: string,
  filter: string,
  protocol: string,
): Promise<readonly string[]> {
  const argv = ['tshark', '-r', file, '-Y', filter, '-T', 'jsonraw', ...STRICT];
  const text = await run(argv);
  const found = [...text.matchAll(new RegExp(`"${protocol}_raw": \\[\\s*"([0-9a-f]+)"`, 'g'))];
  return found.flatMap((match) => (match[1] === undefined ? [] : [match[1]]));
}
