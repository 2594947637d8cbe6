/**
 * ESP in transport mode around the Binding Updates and Acknowledgements of a home agent or mobile
 * node: between the engine, which knows nothing of it, and the network.
 *
 * RFC 3776 §3.1, §4.2   order of headers: the Home Address option or type 2 routing header comes
 *                       before ESP; policies and selectors use the home address
 * RFC 4877 §4           the same with the message types as selectors: Binding Update and
 *                       Acknowledgement
 * RFC 5555 §4.1, §5.2   over UDP, ESP is inside the inner IPv6 packet
 * RFC 4301 §5.2         a packet that policy wants protected is discarded when it is not
 * Left out: Mobile Prefix Solicitation and Advertisement, which neither engine has.
 */
import { encode, isMalformed } from '#base/bytes.ts';
import type { Ipv6Address } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { Engine, RandomBytes, Step } from '#engine/contract/engine.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import { espCodec, PROTOCOL_ESP } from '#wire/ip/esp.ts';
import {
  type Ipv6Packet,
  ipv6Codec,
  upperLayerDestination,
  upperLayerSource,
} from '#wire/ip/ipv6.ts';
import { MobilityHeaderOffset, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { MOBILITY_MESSAGES } from '#wire/mobility/message.ts';
import type { EspAssociation, EspEnd } from './association.ts';
import { ESP_TABLE, type EspChannel } from './esp-channel.ts';
import { EspChannels } from './esp-channels.ts';
import type { EspReason } from './reasons.ts';

type Datagram = Extract<CommonInput, { readonly kind: 'datagram' }>;
type Send = Extract<Output, { readonly kind: 'send' }>;

interface EspOptions {
  readonly end: EspEnd;
  readonly associations: readonly EspAssociation[];
  readonly random: RandomBytes;
  readonly count: (reason: EspReason) => void;
}

const { 'binding-update': UPDATE, 'binding-acknowledgement': ACKNOWLEDGEMENT } = MOBILITY_MESSAGES;

/** MH types by the end that receives them. */
const RECEIVED_TYPE = {
  'home-agent': UPDATE.messageType,
  'mobile-node': ACKNOWLEDGEMENT.messageType,
} as const satisfies Record<EspEnd, number>;
const SENT_TYPE = {
  'home-agent': ACKNOWLEDGEMENT.messageType,
  'mobile-node': UPDATE.messageType,
} as const satisfies Record<EspEnd, number>;

export class EspProtection {
  readonly #end: EspEnd;
  readonly #channels: EspChannels;
  readonly #count: (reason: EspReason) => void;

  constructor({ end, associations, random, count }: EspOptions) {
    this.#end = end;
    this.#channels = new EspChannels(associations, end, random);
    this.#count = count;
  }

  /** `engine` behind ESP. */
  around<I extends { readonly kind: string }>(
    engine: Engine<I | CommonInput>,
  ): Engine<I | CommonInput> {
    return {
      deadline: () => engine.deadline(),
      step: (now: Monotonic, input: I | CommonInput, out: Output[]) => {
        const step = { now, out };
        const first = out.length;
        if (this.#channels.isEmpty && input.kind !== 'record' && input.kind !== 'restored') {
          engine.step(now, input, out);
          return;
        }
        if (isDatagram(input)) {
          const datagram = this.#open(step, input);
          if (datagram !== undefined) engine.step(now, datagram, out);
        } else if (!this.#restore(input)) engine.step(now, input, out);
        if (isRestored(input) && !this.#channels.isEmpty) this.#publish(step);
        this.#seal(step, first);
      },
    };
  }

  /** Takes other associations; a key that stays keeps its sequence numbers. */
  reconfigure(step: Step, associations: readonly EspAssociation[]): void {
    const none = this.#channels.isEmpty && associations.length === 0;
    this.#channels.replace(associations);
    if (!none) this.#publish(step);
  }

  /** The plane hands over the packets of these SPIs. */
  #publish({ out }: Step): void {
    const espSpis = this.#channels.inboundSpis.map((spi) => ({ spi }));
    out.push({ kind: 'set-desired', key: ESP_TABLE, part: { espSpis } });
  }

  #restore(input: { readonly kind: string }): boolean {
    if (!isRecord(input) || input.table !== ESP_TABLE) return false;
    this.#channels.restore(input.key, input.value);
    return true;
  }

  // --- inbound ---

  /** The datagram for the engine; undefined if it is dropped. */
  #open(step: Step, datagram: Datagram): Datagram | undefined {
    if (datagram.path.kind === 'link' || datagram.path.kind === 'datagram') return datagram;
    const packet = ipv6Codec.parse(datagram.packet);
    if (isMalformed(packet)) return datagram;
    if (packet.protocol === PROTOCOL_ESP) return this.#openPacket(step, datagram, packet);
    if (!this.#isMissing(packet)) return datagram;
    this.#count('esp-missing');
    return undefined;
  }

  #isMissing(packet: Ipv6Packet): boolean {
    return (
      isMobility(packet, RECEIVED_TYPE[this.#end]) &&
      this.#channels.of(homeAddressAt(this.#end, packet)) !== undefined
    );
  }

  #openPacket(step: Step, datagram: Datagram, packet: Ipv6Packet): Datagram | undefined {
    const esp = espCodec.parse(packet.payload);
    const channel = isMalformed(esp) ? undefined : this.#channels.bySpi(esp.spi);
    if (isMalformed(esp) || channel === undefined) {
      this.#count('esp-unknown-spi');
      return undefined;
    }
    const content = channel.open(step, esp);
    if (content === 'replayed' || content === 'forged') {
      this.#count(`esp-${content}`);
      return undefined;
    }
    const { nextHeader: protocol, payload } = content;
    const inner = { ...packet, protocol, payload };
    if (!this.#isSelected(channel, inner)) {
      this.#count('esp-selector-mismatch');
      return undefined;
    }
    this.#count('esp-received');
    return { ...datagram, packet: encode(ipv6Codec, inner), protection: 'esp' };
  }

  #isSelected({ association }: EspChannel, packet: Ipv6Packet): boolean {
    return (
      isMobility(packet, RECEIVED_TYPE[this.#end]) &&
      homeAddressAt(this.#end, packet) === association.homeAddress
    );
  }

  // --- outbound ---

  /** Protects what the engine sent. */
  #seal(step: Step, first: number): void {
    const { out } = step;
    const made = out.splice(first);
    for (const output of made) {
      const sealed = output.kind === 'send' ? this.#sealed(step, output) : output;
      if (sealed !== undefined) out.push(sealed);
    }
  }

  #sealed(step: Step, send: Send): Send | undefined {
    const { path } = send;
    // On the home link, a Binding Update may go straight to a link-layer address.
    const other = path.kind === 'datagram' || (path.kind === 'link' && path.protocol === 'arp');
    if (other) return send;
    const packet = ipv6Codec.parse(send.packet);
    if (isMalformed(packet) || !isMobility(packet, SENT_TYPE[this.#end])) return send;
    const home =
      this.#end === 'mobile-node' ? upperLayerSource(packet) : upperLayerDestination(packet);
    const channel = this.#channels.of(home);
    if (channel === undefined) return send;
    const { payload, protocol: nextHeader } = packet;
    const sealed = channel.seal(step, { nextHeader, payload });
    this.#count(sealed === undefined ? 'esp-exhausted' : 'esp-sent');
    if (sealed === undefined) return undefined;
    return {
      ...send,
      packet: encode(ipv6Codec, { ...packet, protocol: PROTOCOL_ESP, payload: sealed }),
      requires: { table: ESP_TABLE, key: channel.sender.fingerprint },
    };
  }
}

/** The home address of a packet that `end` received. */
function homeAddressAt(end: EspEnd, packet: Ipv6Packet): Ipv6Address {
  return end === 'home-agent' ? upperLayerSource(packet) : upperLayerDestination(packet);
}

function isMobility({ protocol, payload }: Ipv6Packet, messageType: number): boolean {
  return (
    protocol === PROTOCOL_MOBILITY && payload[MobilityHeaderOffset.messageType] === messageType
  );
}

function isDatagram(input: { readonly kind: string }): input is Datagram {
  return input.kind === 'datagram';
}

function isRestored(input: { readonly kind: string }): boolean {
  return input.kind === 'restored';
}

function isRecord(input: {
  readonly kind: string;
}): input is Extract<CommonInput, { readonly kind: 'record' }> {
  return input.kind === 'record';
}
