import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { ipv4 } from '#base/ip.ts';
import { type Monotonic, monotonic, NEVER } from '#base/time.ts';
import { NatKeepalive } from '#engine/mobile-ipv6/mobile-node/binding/nat-keepalive.ts';
import { NatLifetimes } from '#engine/mobile-ipv6/mobile-node/binding/nat-lifetimes.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';

const ADVICE_SECONDS = 110;
const START = 1_000_000;
const CARE_OF: CareOfCandidate = {
  ...{ address: ipv4('192.168.3.7'), family: 4, prefixLength: 24, gateway: ipv4('192.168.3.1') },
  ...{ device: 'eth0', interfaceIndex: 2, epoch: 1, preference: 1, metric: 100, mtu: 1500 },
  ...{ deprecated: false, confirmed: true, validUntil: NEVER, appearedAt: monotonic(0) },
};

/** A registration behind a NAT that forgets a mapping after `forgetsMs`, in virtual time. */
class Idle {
  readonly keepalive: NatKeepalive;
  now: number = START;
  updates = 0;
  /** Milliseconds without a mapping. */
  lostMs = 0;
  /** The longest time without a mapping, of those that ended. */
  longestLostMs = 0;
  forgetsMs: number;
  /** Whether the path loses the next callback. */
  loses: () => boolean = () => false;
  readonly #knows: boolean;
  #mappedUntil = START;
  #callback: { readonly at: number; readonly token: bigint } | undefined;
  #dueAt = 0;

  constructor(forgetsMs: number, knows = true, lifetimes = new NatLifetimes()) {
    this.forgetsMs = forgetsMs;
    this.#knows = knows;
    let counter = 0;
    this.keepalive = new NatKeepalive(lifetimes, (count) => new Uint8Array(count).fill(++counter));
    this.update();
  }

  /** A Binding Update, and its acknowledgement at once. */
  update(): void {
    const request = this.keepalive.request(this.#time);
    this.updates++;
    this.use();
    const granted = this.#knows ? request : undefined;
    this.#callback =
      granted && ({ at: this.now + granted.seconds * 1000, token: granted.token } as const);
    const accepted = { adviceSeconds: ADVICE_SECONDS, granted };
    const dueAt = this.keepalive.accepted(CARE_OF, this.#time, accepted);
    assert(dueAt !== undefined, 'behind a NAT');
    this.#dueAt = dueAt;
  }

  /** A packet leaves by the mapping. */
  use(): void {
    const lostMs = Math.max(0, this.now - this.#mappedUntil);
    this.lostMs += lostMs;
    this.longestLostMs = Math.max(this.longestLostMs, lostMs);
    this.#mappedUntil = this.now + this.forgetsMs;
  }

  run(milliseconds: number): this {
    const end = this.now + milliseconds;
    for (;;) {
      const callback = this.#callback;
      const next = Math.min(callback?.at ?? NEVER, this.#dueAt);
      if (next > end) break;
      this.now = next;
      if (callback !== undefined && callback.at === next) this.#callBack(callback.token);
      else this.#due();
    }
    this.now = end;
    return this;
  }

  /** Binding Updates in an hour, and the time without a mapping. */
  hour(): { readonly updates: number; readonly lostMs: number } {
    const { updates, lostMs } = this;
    this.run(3_600_000);
    return { updates: this.updates - updates, lostMs: this.lostMs - lostMs };
  }

  #callBack(token: bigint): void {
    this.#callback = undefined;
    const arrives = this.now <= this.#mappedUntil && !this.loses();
    if (arrives && this.keepalive.returned(this.#time, token) === 'survived') this.update();
  }

  #due(): void {
    const laterAt = this.keepalive.due(this.#time);
    if (laterAt === undefined) this.update();
    else this.#dueAt = laterAt;
  }

  get #time(): Monotonic {
    return monotonic(this.now);
  }
}

describe('a keepalive that learns how long the NAT keeps a mapping', () => {
  it.each([20, 30, 45, 60, 90, 100])(
    'keeps a mapping of %i s open once it has learnt',
    (seconds) => {
      const idle = new Idle(seconds * 1000).run(1_800_000);
      // Some times too long while it learns.
      expect(idle.lostMs).toBeLessThan(120_000);
      idle.run(3_600_000);
      idle.longestLostMs = 0;
      idle.lostMs = 0;
      const { updates, lostMs } = idle.hour();
      // One try of a longer time, at most a quarter of it and the wait for the callback.
      expect(idle.longestLostMs).toBeLessThan(seconds * 1000 * 0.4 + 2_000);
      expect(lostMs).toBe(idle.longestLostMs);
      expect(updates).toBeLessThan(3_600 / (seconds * 0.6));
    },
  );

  it.each([110, 180])(
    'costs no more than without it in the end if a mapping lasts %i s',
    (seconds) => {
      const idle = new Idle(seconds * 1000).run(600_000);
      expect(idle.lostMs).toBe(0);
      const { updates, lostMs } = idle.hour();
      expect(lostMs).toBe(0);
      expect(updates).toBeLessThanOrEqual(Math.ceil(3_600 / ADVICE_SECONDS));
    },
  );

  it('uses the interval of a home agent that does not know it', () => {
    const idle = new Idle(30_000, false).run(300_000);
    const { updates } = idle.hour();
    expect(updates).toBeLessThanOrEqual(Math.ceil(3_600 / ADVICE_SECONDS));
  });

  it('sends nothing while data leaves often enough', () => {
    const idle = new Idle(30_000);
    const before = idle.updates;
    for (let second = 0; second < 600; second += 5) {
      idle.use();
      idle.keepalive.carried(monotonic(idle.now), { transmitted: 1, received: 0 });
      idle.run(5_000);
    }
    expect(idle.updates).toBe(before);
    expect(idle.lostMs).toBe(0);
  });

  it('sends nothing while data flows after a request for a callback', () => {
    const idle = new Idle(180_000).run(30_000);
    const before = idle.updates;
    for (let second = 0; second < 600; second += 5) {
      idle.use();
      idle.keepalive.carried(monotonic(idle.now), { transmitted: 1, received: 1 });
      idle.run(5_000);
    }
    expect(idle.updates).toBe(before);
  });

  it('learns nothing from a callback if data has refreshed the mapping meanwhile', () => {
    const lifetimes = new NatLifetimes();
    const idle = new Idle(10_000, true, lifetimes);
    for (let second = 0; second < 60; second += 5) {
      idle.use();
      idle.keepalive.carried(monotonic(idle.now), { transmitted: 0, received: 1 });
      idle.run(5_000);
    }
    const interval = lifetimes.of('eth0 192.168.3.1 4').intervalMs(ADVICE_SECONDS * 1000);
    expect(interval).toBeLessThanOrEqual((ADVICE_SECONDS * 1000) / 4);
  });

  it('learns again after the NAT was replaced by one that forgets sooner', () => {
    const idle = new Idle(180_000).run(900_000);
    idle.forgetsMs = 40_000;
    idle.run(4 * 3_600_000);
    idle.longestLostMs = 0;
    idle.hour();
    expect(idle.longestLostMs).toBeLessThan(18_000);
  });

  it('believes a missing callback only after a second one', () => {
    const idle = new Idle(180_000);
    let lost = 0;
    idle.loses = () => lost++ < 1;
    idle.run(600_000);
    expect(lost).toBeGreaterThan(1);
    expect(idle.hour().updates).toBeLessThanOrEqual(Math.ceil(3_600 / ADVICE_SECONDS));
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'uses the whole interval in the end if the path loses callback %i and the next one',
    (first) => {
      const idle = new Idle(180_000);
      let callbacks = 0;
      idle.loses = () => [first, first + 1].includes(++callbacks);
      idle.run(4 * 3_600_000);
      expect(idle.hour().updates).toBeLessThanOrEqual(Math.ceil(3_600 / ADVICE_SECONDS));
      expect(idle.lostMs).toBe(0);
    },
  );

  it('sends few keepalives while no callback arrives, and the fewest possible afterwards', () => {
    const idle = new Idle(180_000);
    idle.loses = () => true;
    idle.run(3_600_000);
    expect(idle.hour().updates).toBeLessThanOrEqual((4 * 3_600) / ADVICE_SECONDS + 10);
    idle.loses = () => false;
    idle.run(4 * 3_600_000);
    expect(idle.hour().updates).toBeLessThanOrEqual(Math.ceil(3_600 / ADVICE_SECONDS));
  });

  it('learns a longer time after the NAT was replaced by one that keeps mappings', () => {
    const idle = new Idle(30_000).run(3_600_000);
    idle.forgetsMs = 180_000;
    idle.run(4 * 3_600_000);
    expect(idle.hour().updates).toBeLessThanOrEqual(Math.ceil(3_600 / ADVICE_SECONDS));
  });

  it('tries a longer time seven times on the first day and once a day afterwards', () => {
    const idle = new Idle(30_000).run(600_000);
    const losses = (hours: number): number => {
      let count = 0;
      for (let hour = 0; hour < hours; hour++) {
        idle.longestLostMs = 0;
        for (let minute = 0; minute < 60; minute++) {
          idle.run(60_000);
          if (idle.longestLostMs > 0) count++;
          idle.longestLostMs = 0;
        }
      }
      return count;
    };
    expect(losses(24)).toBeLessThanOrEqual(8);
    expect(losses(10 * 24)).toBeLessThanOrEqual(11);
  });

  it('begins with what it learnt by the same uplink', () => {
    const lifetimes = new NatLifetimes();
    new Idle(30_000, true, lifetimes).run(900_000);
    const again = new Idle(30_000, true, lifetimes).run(1_800_000);
    expect(again.lostMs).toBe(0);
  });

  it('ignores a callback with another token', () => {
    const idle = new Idle(60_000);
    idle.run(30_000);
    expect(idle.keepalive.returned(monotonic(idle.now), 7n)).toBe('not-asked');
  });
});
