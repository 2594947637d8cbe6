/**
 * A network address translator of the simulated internet. RFC 4787 §4.1 (mapping), §5 (filtering):
 * each endpoint-independent, address-dependent or address- and port-dependent.
 */
import type { IpAddress } from '#base/ip.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';

type Dependence = 'independent' | 'address' | 'port';

export interface NatKind {
  readonly mapping: Dependence;
  readonly filtering: Dependence;
}

export const NAT_KINDS = {
  cone: { mapping: 'independent', filtering: 'independent' },
  'restricted cone': { mapping: 'independent', filtering: 'address' },
  'port-restricted cone': { mapping: 'independent', filtering: 'port' },
  'address-dependent': { mapping: 'address', filtering: 'address' },
  symmetric: { mapping: 'port', filtering: 'port' },
} as const satisfies Record<string, NatKind>;

interface Mapped {
  readonly inside: Endpoint;
  readonly contacted: Set<string>;
}

export class Nat {
  readonly outside: IpAddress;
  readonly #kind: NatKind;
  readonly #ports = new Map<string, number>();
  readonly #byPort = new Map<number, Mapped>();
  #next: number;

  constructor(kind: NatKind, outside: IpAddress, firstPort: number) {
    this.#kind = kind;
    this.outside = outside;
    this.#next = firstPort;
  }

  /** Maps the source of an outgoing datagram. */
  outward(from: Endpoint, to: Endpoint): Endpoint {
    const key = `${from.address} ${from.port} ${scope(this.#kind.mapping, to)}`;
    let port = this.#ports.get(key);
    if (port === undefined) {
      port = this.#next;
      this.#next += 7;
      this.#ports.set(key, port);
      this.#byPort.set(port, { inside: from, contacted: new Set() });
    }
    this.#byPort.get(port)?.contacted.add(scope(this.#kind.filtering, to));
    return { address: this.outside, port };
  }

  /** The inside endpoint of an incoming datagram; undefined when it is filtered. */
  inward(from: Endpoint, port: number): Endpoint | undefined {
    const mapped = this.#byPort.get(port);
    return mapped?.contacted.has(scope(this.#kind.filtering, from)) === true
      ? mapped.inside
      : undefined;
  }

  /** Drops all mappings, like a power cycle. */
  forget(): void {
    this.#ports.clear();
    this.#byPort.clear();
  }
}

function scope(dependence: Dependence, { address, port }: Endpoint): string {
  if (dependence === 'independent') return '';
  return dependence === 'address' ? address : `${address} ${port}`;
}
