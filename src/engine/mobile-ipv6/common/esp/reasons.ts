/**
 * The counters of ESP, which home agents and mobile nodes have.
 *
 * RFC 4303 §3.4  auditable events;  RFC 4301 §5.2 unprotected packets
 */
import type { CounterTable } from '#engine/common/counters.ts';

export const ESP_REASONS = {
  'esp-sent': 'Binding Updates and Acknowledgements sent in ESP.',
  'esp-received': 'Authentic ESP packets with a Binding Update or Acknowledgement.',
  'esp-missing':
    'A Binding Update or Acknowledgement without ESP, although its home address has associations.',
  'esp-unknown-spi': 'An ESP packet with an SPI that no association has.',
  'esp-forged': 'An ESP packet that is malformed, or whose integrity check value is wrong.',
  'esp-replayed':
    'An ESP packet that was received before, or is older than the anti-replay window.',
  'esp-selector-mismatch':
    'An authentic ESP packet of another home address, or with something else in it.',
  'esp-exhausted': 'A message that was not sent: the sequence numbers of the key are used up.',
} as const satisfies CounterTable;

export type EspReason = keyof typeof ESP_REASONS;
