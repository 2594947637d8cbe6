/** ESP of tunnels around an engine that desires what a test says. */
import { fromHex } from '#base/bytes.ts';
import { type Ipv6Address, ipv4, ipv6 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { DesiredEspKeys } from '#engine/contract/esp.ts';
import type { CommonInput, TrafficInput } from '#engine/contract/input.ts';
import type { RoamingInput } from '#engine/contract/ntmobile.ts';
import type { OuterPath } from '#engine/contract/outer-path.ts';
import type { Output } from '#engine/contract/output.ts';
import type { EspAssociation, EspEnd } from '#engine/mobile-ipv6/common/esp/association.ts';
import { EspTunnels } from '#engine/mobile-ipv6/common/esp/esp-tunnels.ts';

type Input = CommonInput | TrafficInput | RoamingInput;

export const HOME = ipv6('2001:db8:100::10');
export const NAT = ipv4('198.51.100.7');
export const AGENT = ipv4('192.0.2.1');

export const direction = (spi: number) => ({
  spi,
  key: fromHex(spi.toString(16).padStart(8, '0').repeat(5)),
});

export function association(
  homeAddress = HOME,
  changes: Partial<EspAssociation> = {},
): EspAssociation {
  return {
    homeAddress,
    algorithm: 'aes-gcm-16',
    extendedSequenceNumbers: true,
    toHomeAgent: direction(1001),
    toMobileNode: direction(1002),
    data: { toHomeAgent: direction(1003), toMobileNode: direction(1004) },
    ...changes,
  };
}

export const OVER_IPV6: OuterPath = {
  carrier: 'ip',
  local: ipv6('2001:db8:100::1'),
  remote: ipv6('2001:db8:a::5'),
  localPort: 0,
  remotePort: 0,
};
export const IN_UDP: OuterPath = {
  carrier: 'udp',
  local: AGENT,
  remote: NAT,
  localPort: 4500,
  remotePort: 4500,
};

export const tunnelPart = (path: OuterPath, homeAddress: Ipv6Address = HOME): DesiredPart => ({
  tunnels: [
    {
      ...{ id: 7, path, protection: 'esp', mtu: 1400 },
      esp: { homeAddress, algorithm: 'aes-gcm-16' },
    },
  ],
});

/** An end whose engine desires what the test says, and the state that results. */
export class End {
  readonly parts = new Map<string, DesiredPart>();
  readonly records: Map<string, JsonValue>;
  readonly counts: string[] = [];
  readonly seen: string[] = [];
  readonly sent: Uint8Array[] = [];
  readonly tunnels: EspTunnels;
  readonly #engine;
  #next: readonly Output[] = [];
  now: Monotonic = monotonic(1000);

  constructor(
    end: EspEnd,
    {
      associations = [association()],
      records = new Map<string, JsonValue>(),
      epoch = 5,
      beforeRecords,
    }: {
      readonly associations?: readonly EspAssociation[];
      readonly records?: ReadonlyMap<string, JsonValue>;
      readonly epoch?: number;
      readonly beforeRecords?: (end: End) => void;
    } = {},
  ) {
    this.tunnels = new EspTunnels({
      ...{ end, associations },
      random: (count) => new Uint8Array(count).fill(epoch),
      count: (reason) => this.counts.push(reason),
    });
    this.#engine = this.tunnels.around<Input>({
      deadline: () => NEVER,
      step: (_now, input, out) => {
        this.seen.push(input.kind);
        out.push(...this.#next);
      },
    });
    this.records = new Map(records);
    beforeRecords?.(this);
    for (const [key, value] of records)
      this.step({ kind: 'record', table: 'esp-data', key, value });
    this.step({ kind: 'restored' });
  }

  step(input: Input): readonly Output[] {
    const out: Output[] = [];
    this.#engine.step(this.now, input, out);
    for (const output of out) {
      if (output.kind === 'persist') this.records.set(output.key, output.value ?? null);
      if (output.kind === 'send') this.sent.push(output.packet);
      if (output.kind !== 'set-desired') continue;
      if (output.part === undefined) this.parts.delete(output.key);
      else this.parts.set(output.key, output.part);
    }
    return out;
  }

  /** The engine desires a part. */
  desire(part: DesiredPart | undefined, key = 'tunnel/7'): readonly Output[] {
    this.#next = [{ kind: 'set-desired', key, part }];
    const out = this.step({ kind: 'tick' });
    this.#next = [];
    return out;
  }

  carried(sent: number, received: number): void {
    this.step({ kind: 'traffic', tunnels: [], esp: [{ tunnel: 7, sent, received }] });
  }

  roamed(remote: string, remotePort: number): void {
    const path = { local: AGENT, localPort: 4500, remote: ipv4(remote), remotePort, relayIndex: 0 };
    this.step({ kind: 'roaming', tunnel: 7, ...path });
  }

  get keys(): DesiredEspKeys | undefined {
    return this.parts.get(`esp/${HOME}`)?.espKeys?.[0];
  }

  get path(): OuterPath | undefined {
    return this.parts.get('tunnel/7')?.tunnels?.[0]?.path;
  }

  deadline(): Monotonic {
    return this.#engine.deadline();
  }
}
