/**
 * Sojourn's options of the experimental type 18: Callback and DNS Configuration.
 *
 * RFC 5096        Experimental Mobility option: docs/reference/mobile-ipv6-callback.md and
 *                 mobile-ipv6-dns.md
 * RFC 1035 §3.1   names as labels, without compression (as in RFC 8106 §5.2)
 *
 *   |  18  |  length  | "SJRN" | subtype | octet | …
 *
 * Another length, first word or subtype is an experiment of others. So is a name that no host can
 * have: names go into files and commands of the host.
 */
import { decode, isMalformed, malformed, type Reader, type Writer } from '#base/bytes.ts';
import { readIpv4, readIpv6, writeIp } from '#base/ip.ts';
import type { MobilityOption, MobilityOptionOf } from './options.ts';

const OPTION_TYPE = 18;
/** "SJRN", which tells them from other experiments. */
const EXPERIMENT = 0x534a524e;
const Subtype = { callback: 1, dnsConfiguration: 2 } as const;
const HEAD_OCTETS = 6;
const CALLBACK_OCTETS = 16;
const LABEL = /^[a-z0-9_-]{1,63}$/i;
const LONGEST_NAME = 253;

type Experiment = MobilityOptionOf<'callback' | 'dns-configuration'>;
type DnsConfiguration = MobilityOptionOf<'dns-configuration'>;

/** An experiment of others stays `unknown`. */
export function parseExperiment(data: Uint8Array): MobilityOption {
  const parsed = decode(data, parseOwn);
  return isMalformed(parsed) ? { type: 'unknown', optionType: OPTION_TYPE, data } : parsed;
}

function parseOwn(reader: Reader): Experiment {
  const length = reader.remaining;
  if (reader.u32() !== EXPERIMENT) throw malformed('an experiment of others');
  const subtype = reader.u8();
  const octet = reader.u8();
  if (subtype === Subtype.callback && length === CALLBACK_OCTETS)
    return { type: 'callback', seconds: reader.u16(), token: reader.u64() };
  if (subtype !== Subtype.dnsConfiguration) throw malformed('an unknown subtype');
  const times = <T>(count: number, read: () => T): T[] => Array.from({ length: count }, read);
  const ipv6Servers = times(octet & 0xf, () => readIpv6(reader));
  const ipv4Servers = times(octet >> 4, () => readIpv4(reader));
  const searchDomains: string[] = [];
  while (reader.remaining > 0) searchDomains.push(readName(reader));
  return { type: 'dns-configuration', ipv6Servers, ipv4Servers, searchDomains };
}

function readName(reader: Reader): string {
  const labels: string[] = [];
  for (let length = reader.u8(); length > 0; length = reader.u8()) {
    const label = String.fromCharCode(...reader.bytes(length));
    if (!LABEL.test(label)) throw malformed('a label that no host has');
    labels.push(label);
  }
  const name = labels.join('.');
  if (name === '' || name.length > LONGEST_NAME) throw malformed('a name that no domain has');
  return name;
}

/** Octets behind the length field. */
export function experimentLength(option: Experiment): number {
  if (option.type === 'callback') return CALLBACK_OCTETS;
  const { ipv6Servers, ipv4Servers, searchDomains } = option;
  const names = searchDomains.reduce((sum, name) => sum + name.length + 2, 0);
  return HEAD_OCTETS + 16 * ipv6Servers.length + 4 * ipv4Servers.length + names;
}

export function writeExperiment(option: Experiment, writer: Writer): void {
  writer.u32(EXPERIMENT);
  if (option.type === 'callback') {
    writer.u8(Subtype.callback);
    writer.u8(0);
    writer.u16(option.seconds);
    writer.u64(option.token);
  } else writeDnsConfiguration(option, writer);
}

function writeDnsConfiguration(
  { ipv6Servers, ipv4Servers, searchDomains }: DnsConfiguration,
  writer: Writer,
): void {
  writer.u8(Subtype.dnsConfiguration);
  writer.u8((ipv4Servers.length << 4) | ipv6Servers.length);
  for (const server of [...ipv6Servers, ...ipv4Servers]) writeIp(writer, server);
  for (const name of searchDomains) {
    for (const label of name.split('.')) {
      writer.u8(label.length);
      writer.bytes(Uint8Array.from(label, (letter) => letter.charCodeAt(0)));
    }
    writer.u8(0);
  }
}
