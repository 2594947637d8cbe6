/**
 * Values of the options that name UDP endpoints: candidates, relays, observed endpoints.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */
import type { Reader, Writer } from '#base/bytes.ts';
import { type IpAddress, isIpv6, readIpv4, readIpv6, writeIp } from '#base/ip.ts';
import { KEY_OCTETS } from './datagram.ts';
import type { Endpoint, NtmobileOption, NtmobileOptionOf } from './options.ts';

function readAddress(reader: Reader, family: number): IpAddress {
  if (family === 4) return readIpv4(reader);
  if (family === 6) return readIpv6(reader);
  return reader.fail('unknown address family');
}

export function readEndpoint(reader: Reader): Endpoint {
  const family = reader.u8();
  if (reader.u8() !== 0) reader.fail('reserved octet is not zero');
  const port = reader.u16();
  return { port, address: readAddress(reader, family) };
}

export function readCandidate(reader: Reader): NtmobileOption {
  const kind = reader.u8();
  const family = reader.u8();
  const port = reader.u16();
  const priority = reader.u32();
  return {
    type: 'candidate',
    kind,
    priority,
    endpoint: { port, address: readAddress(reader, family) },
  };
}

export function readRelay(reader: Reader): NtmobileOption {
  const publicKey = reader.bytes(KEY_OCTETS).slice();
  const endpoints: Endpoint[] = [];
  while (reader.remaining > 0) endpoints.push(readEndpoint(reader));
  return { type: 'relay', publicKey, endpoints };
}

export function sizeOfEndpoint({ address }: Endpoint): number {
  return 4 + (isIpv6(address) ? 16 : 4);
}

export function sizeOfRelay({ endpoints }: NtmobileOptionOf<'relay'>): number {
  return KEY_OCTETS + endpoints.reduce((sum, endpoint) => sum + sizeOfEndpoint(endpoint), 0);
}

export function writeEndpoint(writer: Writer, { address, port }: Endpoint): void {
  writer.u8(isIpv6(address) ? 6 : 4);
  writer.zero(1);
  writer.u16(port);
  writeIp(writer, address);
}

export function writeCandidate(
  writer: Writer,
  { kind, priority, endpoint }: NtmobileOptionOf<'candidate'>,
): void {
  writer.u8(kind);
  writer.u8(isIpv6(endpoint.address) ? 6 : 4);
  writer.u16(endpoint.port);
  writer.u32(priority);
  writeIp(writer, endpoint.address);
}

export function writeRelay(
  writer: Writer,
  { publicKey, endpoints }: NtmobileOptionOf<'relay'>,
): void {
  writer.bytes(publicKey);
  for (const endpoint of endpoints) writeEndpoint(writer, endpoint);
}
