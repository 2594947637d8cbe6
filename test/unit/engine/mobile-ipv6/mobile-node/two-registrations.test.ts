/**
 * Two registrations of one home at the same time, one for each care-of address. RFC 6275 §11.1,
 * §11.8, RFC 5648 §4.
 */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { type Monotonic, monotonic, NEVER, wall } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import { BindingUpdateList } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import { UpdateRateLimit } from '#engine/mobile-ipv6/common/update-rate-limit.ts';
import { NatLifetimes } from '#engine/mobile-ipv6/mobile-node/binding/nat-lifetimes.ts';
import { BindingRegistration } from '#engine/mobile-ipv6/mobile-node/binding/registration.ts';
import { Home } from '#engine/mobile-ipv6/mobile-node/home/home.ts';
import { PLAIN_ROLE } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import { MovementDetection } from '#engine/mobile-ipv6/mobile-node/network/movement-detection.ts';
import { UdpPort } from '#engine/mobile-ipv6/mobile-node/network/udp-port.ts';
import type { NodeContext } from '#engine/mobile-ipv6/mobile-node/node-context.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { mobilityCodec } from '#wire/mobility/header.ts';
import {
  type AnswerSketch,
  acknowledgement,
  CONFIGURATION,
  HOME,
  HOME_ADDRESS,
  HOME_AGENT,
  IPV4_HOME_ADDRESS,
  type SeenUpdate,
  updatesIn,
  WALL_OFFSET_MS,
} from './mobile-node-scene.ts';

const WIFI: CareOfCandidate = {
  address: ipv6('2001:db8:f1::2'),
  family: 6,
  prefixLength: 64,
  device: 'wlan0',
  interfaceIndex: 2,
  epoch: 1,
  preference: 0,
  deprecated: false,
  confirmed: true,
  gateway: ipv6('fe80::1'),
  metric: 1024,
  mtu: 1500,
  validUntil: NEVER,
  appearedAt: monotonic(0),
};
const CELLULAR: CareOfCandidate = {
  ...WIFI,
  address: ipv4('203.0.113.7'),
  family: 4,
  prefixLength: 24,
  device: 'wwan0',
  interfaceIndex: 3,
  gateway: ipv4('203.0.113.254'),
};

/** A home with two registrations in its list, made by hand, and the node around it. */
class TwoRegistrations {
  readonly bindingUpdateList = new BindingUpdateList();
  readonly home: Home;
  readonly wifi: BindingRegistration;
  readonly cellular: BindingRegistration;
  now: Monotonic = monotonic(0);

  constructor() {
    let counter = 0;
    const node: NodeContext = {
      configuration: CONFIGURATION,
      random: (count) => Uint8Array.from({ length: count }, () => counter++ & 255),
      sealed: undefined,
      natLifetimes: new NatLifetimes(),
      udpPort: new UdpPort(() => undefined),
      lastTimestampOfKey: new Map(),
      movement: new MovementDetection([], new Set([HOME_ADDRESS])),
      bindingUpdateList: this.bindingUpdateList,
      updateRateLimit: new UpdateRateLimit(),
      count: () => undefined,
      countAcknowledgement: () => undefined,
      wall: (now) => wall(now + WALL_OFFSET_MS),
      publishDesired: () => undefined,
      publishUrgent: () => undefined,
      roleOf: () => PLAIN_ROLE,
    };
    this.home = new Home(HOME, node);
    this.wifi = new BindingRegistration(this.home, WIFI, 1);
    this.cellular = new BindingRegistration(this.home, CELLULAR, 2);
    this.home.attachment.registrations.add(this.wifi);
    this.home.attachment.registrations.add(this.cellular);
  }

  /** Runs `action` in a step; gives the Binding Updates that it sends. */
  #step(action: (step: Step) => void): readonly SeenUpdate[] {
    const step: Step = { now: this.now, out: [] };
    action(step);
    return updatesIn(step.out);
  }

  /** The only Binding Update of the step. */
  #update(action: (step: Step) => void): SeenUpdate {
    const [update, ...more] = this.#step(action);
    assert(update !== undefined && more.length === 0, 'one Binding Update');
    return update;
  }

  start(registration: BindingRegistration): SeenUpdate {
    registration.start(registration.careOf);
    return this.#update((step) => registration.transmit(step));
  }

  /** Gives the home agent's answer to the registration, as a packet. */
  answer(registration: BindingRegistration, update: SeenUpdate, sketch: AnswerSketch = {}): void {
    const { path, packet: bytes } = acknowledgement(update, sketch, this.now);
    const packet = ipv6Codec.parse(bytes);
    assert(!isMalformed(packet), 'well-formed packet');
    const read = mobilityCodec.parse(packet.payload);
    assert(!isMalformed(read) && read.message.type === 'binding-acknowledgement', 'an answer');
    const received: Parameters<BindingRegistration['receive']>[1] = {
      path,
      packet,
      header: packet.payload,
      message: read.message,
    };
    this.#step((step) => registration.receive(step, received));
  }

  /** Lets the registration's next timer be due; gives the time and the Binding Update it sends. */
  wait(registration: BindingRegistration): { waited: number; update: SeenUpdate } {
    const at = registration.deadline();
    const waited = at - this.now;
    this.now = at;
    return { waited, update: this.#update((step) => registration.handleTimer(step)) };
  }

  /** Both registrations are accepted. */
  register(): void {
    const first = this.start(this.wifi);
    const second = this.start(this.cellular);
    this.answer(this.cellular, second);
    this.answer(this.wifi, first);
  }

  /** The care-of addresses of the Binding Update List. */
  get listed(): readonly string[] {
    return [...this.bindingUpdateList.entries()].map(({ careOfAddress }) => careOfAddress);
  }
}

describe('two BindingRegistrations of one home', () => {
  it('register their own care-of address, each over its own path', () => {
    const node = new TwoRegistrations();
    const first = node.start(node.wifi);
    const second = node.start(node.cellular);
    expect(first.path.kind).toBe('ipv6');
    expect(first.packet.source).toBe(WIFI.address);
    expect(second.path).toMatchObject({ kind: 'udp', local: CELLULAR.address });
    expect(second.message.sequence).toBe(first.message.sequence + 1);
  });

  it('keep their own state: the acceptance of one leaves the other registering', () => {
    const node = new TwoRegistrations();
    node.start(node.wifi);
    node.answer(node.cellular, node.start(node.cellular));
    expect([node.wifi.phase, node.cellular.phase]).toEqual(['registering', 'registered']);
    expect([node.wifi.bound, node.cellular.bound]).toEqual([false, true]);
    expect(node.wifi.tunnel).toBeUndefined();
    expect(node.cellular.tunnel).toMatchObject({ careOf: { address: CELLULAR.address } });
  });

  it('keep their own exchange: an acknowledgement answers one of them', () => {
    const node = new TwoRegistrations();
    const first = node.start(node.wifi);
    const second = node.start(node.cellular);
    node.answer(node.wifi, second);
    node.answer(node.cellular, first);
    expect([node.wifi.phase, node.cellular.phase]).toEqual(['registering', 'registering']);
    node.answer(node.wifi, first);
    node.answer(node.cellular, second);
    expect([node.wifi.phase, node.cellular.phase]).toEqual(['registered', 'registered']);
  });

  it('keep their own back-off: retransmissions of one do not delay the other', () => {
    const node = new TwoRegistrations();
    node.start(node.wifi);
    expect([node.wait(node.wifi).waited, node.wait(node.wifi).waited]).toEqual([1500, 3000]);
    node.start(node.cellular);
    expect(node.wait(node.cellular).waited).toBe(1500);
  });

  it('delete their own entries of the Binding Update List by key', () => {
    const node = new TwoRegistrations();
    node.register();
    expect([node.wifi.phase, node.cellular.phase]).toEqual(['registered', 'registered']);
    expect(node.listed).toEqual([CELLULAR.address, CELLULAR.address, WIFI.address, WIFI.address]);
    node.cellular.dropBinding();
    expect(node.listed).toEqual([WIFI.address, WIFI.address]);
    expect([node.wifi.bound, node.cellular.bound]).toEqual([true, false]);
    for (const homeAddress of [HOME_ADDRESS, IPV4_HOME_ADDRESS]) {
      const key = { destination: HOME_AGENT, homeAddress };
      const { bindingUpdateList } = node;
      expect(bindingUpdateList.get({ ...key, careOfAddress: WIFI.address })).toBeDefined();
      expect(bindingUpdateList.get({ ...key, careOfAddress: CELLULAR.address })).toBeUndefined();
    }
  });

  it('refresh on their own: the other stays registered', () => {
    const node = new TwoRegistrations();
    node.register();
    const { update } = node.wait(node.wifi);
    expect([node.wifi.phase, node.cellular.phase]).toEqual(['refreshing', 'registered']);
    node.answer(node.wifi, update);
    expect([node.wifi.phase, node.cellular.phase]).toEqual(['registered', 'registered']);
  });

  it('replace each other if they have the same binding identifier', () => {
    const node = new TwoRegistrations();
    const later = new BindingRegistration(
      node.home,
      { ...WIFI, address: ipv6('2001:db8:f2::2') },
      1,
    );
    node.register();
    node.home.attachment.registrations.add(later);
    node.answer(later, node.start(later));
    expect(node.listed).not.toContain(WIFI.address);
    expect(node.listed).toContain(CELLULAR.address);
    expect(node.listed).toContain(later.careOf.address);
  });
});
