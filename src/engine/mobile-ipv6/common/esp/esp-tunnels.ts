/**
 * ESP of the tunnels of a home agent or mobile node: between the engine, which desires a tunnel for
 * a home address, and the data plane, which needs keys and, behind a NAT, the port of the peer.
 *
 * RFC 4303 §2.6  dummy packets
 * RFC 3948 §2.3, §4  NAT keepalive
 *
 * ESP in UDP has a NAT mapping of its own, which Binding Updates do not show. The home agent sends
 * nothing before an authentic packet came through it, from the address of the registration: this is
 * its anti-amplification rule. So a mobile node sends dummy packets when its path changes.
 */
import { type IpAddress, type Ipv6Address, isIpv4 } from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { DesiredPart, DesiredTunnel } from '#engine/contract/desired-state.ts';
import type { Engine, RandomBytes, Step } from '#engine/contract/engine.ts';
import type { EspSequences } from '#engine/contract/esp.ts';
import type { CommonInput, TrafficInput } from '#engine/contract/input.ts';
import type { RoamingInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import type { EspAssociation, EspEnd } from './association.ts';
import { ESP_DATA_TABLE, type EspDataChannel } from './data-channel.ts';
import { EspDataChannels } from './data-channels.ts';
import type { EspReason } from './reasons.ts';

/** RFC 3948 §4. */
const KEEPALIVE_INTERVAL_MS = 20_000;
/** Dummy packets after a move; the first may come before the registration, or be lost. */
const DUMMIES_AFTER_MS = [200, 1_000, 3_000] as const;
const DUMMY = new Uint8Array(0);
const NAT_KEEPALIVE = Uint8Array.of(0xff);

type Input = { readonly kind: string };

interface EspTunnelOptions {
  readonly end: EspEnd;
  readonly associations: readonly EspAssociation[];
  readonly random: RandomBytes;
  readonly count: (reason: EspReason) => void;
}

/** A tunnel as the engine desires it, and the key of its part. */
interface OwnTunnel {
  readonly partKey: string;
  readonly part: DesiredPart;
  readonly tunnel: DesiredTunnel;
  readonly channel: EspDataChannel;
  /** Of a mobile node in UDP: when it shows the home agent its port, or keeps its mapping. */
  readonly sendsAt: readonly Monotonic[];
  readonly keepalives: number;
}

export class EspTunnels {
  readonly #end: EspEnd;
  readonly #channels: EspDataChannels;
  readonly #count: (reason: EspReason) => void;
  readonly #tunnels = new Map<Ipv6Address, OwnTunnel>();
  readonly #ofPart = new Map<string, Ipv6Address>();
  readonly #ofId = new Map<number, Ipv6Address>();
  #restored = false;

  constructor({ end, associations, random, count }: EspTunnelOptions) {
    this.#end = end;
    this.#channels = new EspDataChannels(associations, end, random);
    this.#count = count;
  }

  /** `engine` with tunnels that are in ESP where its configuration says so. */
  around<I extends Input>(engine: Engine<I | CommonInput>): Engine<I | CommonInput> {
    return {
      deadline: () => earliest(engine.deadline(), this.#deadline()),
      step: (now: Monotonic, input: I | CommonInput, out: Output[]) => {
        const step = { now, out };
        const first = out.length;
        if (!this.#handle(step, input)) engine.step(now, input, out);
        if (input.kind === 'restored') this.#restored = true;
        this.follow(step, first);
        if (input.kind === 'restored') this.#publishAll(step);
        this.#runTimers(step);
      },
    };
  }

  /** Takes other associations; a key that stays keeps its sequence numbers. */
  reconfigure(step: Step, associations: readonly EspAssociation[]): void {
    this.#channels.replace(associations);
    for (const [home, own] of this.#tunnels) {
      const channel = this.#channels.of(home);
      if (channel === undefined || channel === own.channel) continue;
      this.#tunnels.set(home, { ...own, channel });
    }
    this.#publishAll(step);
  }

  /** Adds keys and paths to what the engine has desired, from the output `first` on. */
  follow(step: Step, first: number): void {
    if (this.#channels.isEmpty && this.#tunnels.size === 0) return;
    const { out } = step;
    for (const output of out.splice(first)) {
      if (output.kind === 'set-desired') this.#take(step, output.key, output.part);
      else out.push(output);
    }
  }

  // --- inputs ---

  /** True if the input is not for the engine. */
  #handle(step: Step, input: Input): boolean {
    if (isRecord(input)) {
      if (input.table !== ESP_DATA_TABLE) return false;
      this.#channels.restore(input.key, input.value);
      return true;
    }
    if (isTraffic(input)) {
      for (const one of input.esp ?? []) this.#progress(step, one);
      return this.#end === 'home-agent';
    }
    return isRoaming(input) && this.#roamed(step, input);
  }

  #progress(step: Step, sequences: EspSequences): void {
    const own = this.#byId(sequences.tunnel);
    if (own === undefined || !own.channel.progress(step, sequences)) return;
    this.#publishKeys(step, own);
  }

  /** An authentic packet came from another address or port than the tunnel's. */
  #roamed(step: Step, { tunnel, remote, remotePort }: RoamingInput): boolean {
    const own = this.#byId(tunnel);
    if (own === undefined) return false;
    if (this.#end !== 'home-agent' || !isIpv4(remote)) return true;
    const { remote: tunnelRemote } = own.tunnel.path;
    own.channel.receiver.seen(step, { remote, remotePort }, tunnelRemote);
    if (remote === tunnelRemote) this.#publish(step, own);
    return true;
  }

  #byId(id: number): OwnTunnel | undefined {
    const home = this.#ofId.get(id);
    return home && this.#tunnels.get(home);
  }

  // --- desired state ---

  #take(step: Step, partKey: string, part: DesiredPart | undefined): void {
    // A part has one tunnel, and at most one part has that of a home address.
    const tunnel = part?.tunnels?.find(({ protection }) => protection === 'esp');
    const home = tunnel?.esp?.homeAddress;
    this.#forget(step, partKey, home);
    const channel = home && this.#channels.of(home);
    if (part === undefined || tunnel === undefined || home === undefined || channel === undefined) {
      step.out.push({ kind: 'set-desired', key: partKey, part });
      return;
    }
    const former = this.#tunnels.get(home);
    const moved = former === undefined || !samePath(former.tunnel, tunnel);
    const timers = moved
      ? { sendsAt: this.#sendsAfterMove(step.now, tunnel), keepalives: 0 }
      : { sendsAt: former.sendsAt, keepalives: former.keepalives };
    const own: OwnTunnel = { partKey, part, tunnel, channel, ...timers };
    channel.receiver.moved(step, tunnel.path.remote);
    this.#tunnels.set(home, own);
    this.#ofPart.set(partKey, home);
    this.#ofId.set(tunnel.id, home);
    if (this.#restored) this.#publish(step, own);
  }

  /** The part has no tunnel of its former home address any more. */
  #forget({ out }: Step, partKey: string, home: Ipv6Address | undefined): void {
    const before = this.#ofPart.get(partKey);
    if (before === undefined || before === home) return;
    this.#ofPart.delete(partKey);
    const own = this.#tunnels.get(before);
    if (own?.partKey !== partKey) return;
    this.#tunnels.delete(before);
    this.#ofId.delete(own.tunnel.id);
    out.push({ kind: 'set-desired', key: keysPart(before), part: undefined });
  }

  /** Before the store was read, nothing is lent: a record may say that it was used already. */
  #publishAll(step: Step): void {
    if (!this.#restored) return;
    for (const own of this.#tunnels.values()) this.#publish(step, own);
  }

  #publish(step: Step, own: OwnTunnel): void {
    this.#publishKeys(step, own);
    const { partKey, part, tunnel } = own;
    const { path } = tunnel;
    const isOutward = this.#end === 'mobile-node' || path.carrier === 'ip';
    // No packet comes from port 0, so that the next one is reported.
    const remotePort = isOutward ? path.remotePort : (this.#peerPort(own) ?? 0);
    const tunnels = [{ ...tunnel, path: { ...path, remotePort } }];
    step.out.push({ kind: 'set-desired', key: partKey, part: { ...part, tunnels } });
  }

  #publishKeys(step: Step, own: OwnTunnel): void {
    const { channel, tunnel } = own;
    const isKnown =
      this.#end === 'mobile-node' ||
      tunnel.path.carrier === 'ip' ||
      this.#peerPort(own) !== undefined;
    const { sender } = channel;
    const before = sender.exhausted;
    const keys = channel.keys(step, tunnel.id, isKnown);
    if (sender.exhausted && !before) this.#count('esp-exhausted');
    step.out.push({
      kind: 'set-desired',
      key: keysPart(channel.association.homeAddress),
      part: { espKeys: [keys] },
      requires: { table: ESP_DATA_TABLE, key: sender.fingerprint },
    });
  }

  /** The port of the mobile node's NAT mapping, if it has shown it. */
  #peerPort({ channel, tunnel }: OwnTunnel): number | undefined {
    const { peer } = channel.receiver;
    return peer?.remote === tunnel.path.remote ? peer.remotePort : undefined;
  }

  // --- timers of a mobile node ---

  #sendsAfterMove(now: Monotonic, { path }: DesiredTunnel): readonly Monotonic[] {
    if (this.#end !== 'mobile-node' || path.carrier !== 'udp') return [];
    return [now, ...DUMMIES_AFTER_MS.map((ms) => after(now, ms))];
  }

  #deadline(): Monotonic {
    let next: Monotonic = NEVER;
    if (this.#end === 'home-agent') return next;
    for (const { sendsAt } of this.#tunnels.values()) next = earliest(next, sendsAt[0] ?? NEVER);
    return next;
  }

  #runTimers(step: Step): void {
    if (!this.#restored || this.#end === 'home-agent') return;
    for (const [home, own] of this.#tunnels) {
      const [at] = own.sendsAt;
      if (at === undefined || at > step.now) continue;
      const later = own.sendsAt.filter((one) => one > step.now);
      const isLast = later.length === 0;
      // Every second one is a dummy, which tells the home agent of a new mapping.
      const isKeepalive = own.keepalives % 2 === 1;
      const packet = isKeepalive ? NAT_KEEPALIVE : DUMMY;
      const path = { kind: 'tunnel', tunnel: own.tunnel.id } as const;
      step.out.push({ kind: 'send', path, packet });
      this.#tunnels.set(home, {
        ...own,
        sendsAt: isLast ? [after(step.now, KEEPALIVE_INTERVAL_MS)] : later,
        keepalives: isLast ? own.keepalives + 1 : own.keepalives,
      });
    }
  }
}

function keysPart(homeAddress: IpAddress): string {
  return `esp/${homeAddress}`;
}

function samePath(a: DesiredTunnel, b: DesiredTunnel): boolean {
  return a.path.local === b.path.local && a.path.remote === b.path.remote;
}

function isRecord(input: Input): input is Extract<CommonInput, { readonly kind: 'record' }> {
  return input.kind === 'record';
}

function isTraffic(input: Input): input is TrafficInput {
  return input.kind === 'traffic';
}

function isRoaming(input: Input): input is RoamingInput {
  return input.kind === 'roaming';
}
