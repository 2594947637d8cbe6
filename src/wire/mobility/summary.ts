/**
 * Mobile IPv6 messages in one line of text, for logs and traces; no key material.
 *
 * RFC 6275 §6.1, §6.2
 */
import { hex } from '#base/bytes.ts';
import { bindingStatusName } from './binding-status.ts';
import type { MobilityHeader } from './header.ts';
import { LIFETIME_UNIT_SECONDS, type MobilityMessageOf } from './message.ts';
import type { MobilityOption } from './options.ts';

/** The members that Binding Update and Acknowledgement share. */
function registrationSummary({
  sequence,
  lifetimeUnits,
  flags,
}: MobilityMessageOf<'binding-update' | 'binding-acknowledgement'>): string {
  const seconds = lifetimeUnits * LIFETIME_UNIT_SECONDS;
  return `sequence ${sequence} lifetime ${seconds} s${flagsSummary(flags)}`;
}

function flagsSummary(flags: object): string {
  return Object.entries(flags)
    .filter(([, set]) => set === true)
    .map(([name]) => ` ${name}`)
    .join('');
}

/** One line for the log; no key material. */
export function mobilitySummary(header: MobilityHeader): string {
  const { message } = header;
  if (message.type === 'unknown')
    return `mobility message ${message.messageType}, ${message.data.length} octets`;
  const options = message.options.map((option) => ` ${mobilityOptionSummary(option)}`).join('');
  switch (message.type) {
    case 'binding-update':
      return `${message.type} ${registrationSummary(message)}${options}`;
    case 'binding-acknowledgement':
      return (
        `${message.type} status ${message.status} ${bindingStatusName(message.status)} ` +
        `${registrationSummary(message)}${options}`
      );
    case 'binding-error':
      return `${message.type} status ${message.status} ${message.homeAddress}${options}`;
    default:
      return `${message.type}${options}`;
  }
}

/** Printable ASCII only, because the text comes from a peer. */
function printable(octets: Uint8Array): string {
  return Array.from(octets, (octet) =>
    octet > 32 && octet < 127 ? String.fromCharCode(octet) : '?',
  ).join('');
}

/** A few words for a log line, without authenticators. */
function mobilityOptionSummary(option: MobilityOption): string {
  switch (option.type) {
    case 'unknown':
      return `option-${option.optionType}(${hex(option.data)})`;
    case 'alternate-care-of-address':
    case 'ipv4-home-address':
    case 'ipv4-care-of-address':
      return `${option.type}(${option.address})`;
    case 'ipv4-address-acknowledgement':
      return `${option.type}(${option.status} ${option.address}/${option.prefixLength})`;
    case 'mobile-network-prefix':
      return `${option.type}(${option.prefix}/${option.prefixLength})`;
    case 'authentication':
      return `${option.type}(spi ${option.spi})`;
    case 'mobile-node-identifier':
      return `${option.type}(${printable(option.identifier)})`;
    case 'nat-detection':
      return `${option.type}(${option.forceUdp ? 'udp' : 'no udp'} ${option.refreshTimeSeconds} s)`;
    case 'binding-refresh-advice':
      return `${option.type}(${option.refreshIntervalUnits * 4} s)`;
    default:
      return option.type;
  }
}
