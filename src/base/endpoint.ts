/** An address with a port, as configuration files have it. */
import { type IpAddress, isIpv6, parseIpAddress } from './ip.ts';

interface EndpointText {
  readonly address: IpAddress;
  readonly port: number;
}

/**
 * Parses `192.0.2.1`, `192.0.2.1:7890`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:7890`;
 * undefined for other text. `port` is the default.
 */
export function parseEndpoint(text: string, port: number): EndpointText | undefined {
  const plain = parseIpAddress(text);
  if (plain !== undefined) return { address: plain, port };
  const [, six, four, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = parseIpAddress(six ?? four ?? '');
  const written = digits === undefined ? port : Number(digits);
  if (address === undefined || isIpv6(address) !== (six !== undefined)) return undefined;
  return written >= 1 && written <= 65_535 ? { address, port: written } : undefined;
}
