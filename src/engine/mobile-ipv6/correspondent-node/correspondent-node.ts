/**
 * The correspondent node engine: one entry, one deadline.
 *
 * RFC 6275 §5.2, §9
 * Left out: a correspondent node that is mobile itself, a separate Binding Cache for each address
 * (§9.1 SHOULD: a home address has one binding here), IPsec (§9.3.1-2, authentication header).
 */
import { unreachable } from '#base/assert.ts';
import type { Ipv6Address } from '#base/ip.ts';
import { earliest, type Monotonic } from '#base/time.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Engine, RandomBytes, Reconfigurable, Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import { AddressTests } from './address-tests.ts';
import { isAllowed } from './binding-update-checks.ts';
import { Bindings } from './bindings.ts';
import type { CorrespondentNodeConfiguration } from './configuration.ts';
import { setDesiredStatic } from './desired-state.ts';
import type { CorrespondentNodeInput } from './input.ts';
import { Nonces } from './nonces.ts';
import { handleRequest } from './operator-commands.ts';
import { ownAddresses } from './own-addresses.ts';
import { CORRESPONDENT_NODE_REASONS, type CorrespondentNodeReason } from './reasons.ts';
import { Reception } from './reception.ts';
import { Registrar } from './registrar.ts';
import { registrationRequest } from './registration-request.ts';

type Datagram = Extract<CorrespondentNodeInput, { readonly kind: 'datagram' }>;

type CorrespondentNode = Engine<CorrespondentNodeInput> &
  Reconfigurable<CorrespondentNodeConfiguration> & { readonly counters: Counters };

/**
 * Never throws for a peer's fault. It stores nothing: bindings end with the run, at most seven
 * minutes before they would expire, and their mobile nodes learn it from a Binding Error.
 */
export function createCorrespondentNode(
  configuration: CorrespondentNodeConfiguration,
  random: RandomBytes,
): CorrespondentNode {
  return new CorrespondentNodeEngine(configuration, random);
}

class CorrespondentNodeEngine implements CorrespondentNode {
  #configuration: CorrespondentNodeConfiguration;
  readonly #counters = new CounterSet<CorrespondentNodeReason>(CORRESPONDENT_NODE_REASONS);
  readonly #nonces: Nonces;
  readonly #bindings = new Bindings(this.#counters);
  readonly #reception: Reception;
  readonly #tests: AddressTests;
  readonly #registrar: Registrar;
  #interfaces: readonly NetworkInterface[] = [];
  #addresses: readonly Ipv6Address[];

  constructor(configuration: CorrespondentNodeConfiguration, random: RandomBytes) {
    this.#configuration = configuration;
    this.#addresses = ownAddresses(configuration.addresses, []);
    this.#nonces = new Nonces(random);
    const context = {
      counters: this.#counters,
      nonces: this.#nonces,
      bindings: this.#bindings,
    };
    this.#reception = new Reception(context);
    this.#tests = new AddressTests(context);
    this.#registrar = new Registrar(context);
  }

  get counters(): Counters {
    return this.#counters.counters;
  }

  deadline(): Monotonic {
    return earliest(this.#bindings.deadline(), this.#nonces.deadline());
  }

  reconfigure(now: Monotonic, configuration: CorrespondentNodeConfiguration, out: Output[]): void {
    this.#configuration = configuration;
    this.#recheck({ now, out });
  }

  /** Deletes bindings that neither the configuration nor the host's addresses allow any more. */
  #recheck(step: Step): void {
    this.#addresses = ownAddresses(this.#configuration.addresses, this.#interfaces);
    for (const { homeAddress, correspondentAddress } of [...this.#bindings.values()]) {
      const isServed = this.#addresses.includes(correspondentAddress);
      if (!isServed || !isAllowed(this.#configuration, homeAddress))
        this.#bindings.revoke(step, homeAddress);
    }
  }

  step(now: Monotonic, input: CorrespondentNodeInput, out: Output[]): void {
    const step: Step = { now, out };
    switch (input.kind) {
      case 'datagram':
        this.#receive(step, input);
        break;
      case 'request':
        handleRequest(
          step,
          {
            addresses: this.#addresses,
            configuration: this.#configuration,
            counters: this.#counters,
            bindings: this.#bindings,
          },
          input,
        );
        break;
      case 'restored':
        setDesiredStatic(step, this.#configuration);
        break;
      case 'network':
        this.#interfaces = input.interfaces;
        this.#recheck(step);
        break;
      case 'traffic':
        for (const { tunnel, transmitted } of input.tunnels)
          if (transmitted > 0) this.#bindings.noteUse(now, tunnel);
        break;
      case 'tick':
      case 'clock':
      case 'record':
      case 'stop':
        break;
      default:
        unreachable(input);
    }
    this.#bindings.runTimers(step);
    this.#nonces.runTimers(now);
  }

  #receive(step: Step, { path, packet: bytes }: Datagram): void {
    if (path.kind !== 'ipv6') {
      this.#counters.count('unexpected-path');
      return;
    }
    const addresses = this.#addresses;
    const received = this.#reception.receive(step, addresses, path, bytes);
    if (received === undefined) return;
    const { packet, message } = received;
    if (message.type !== 'binding-update') {
      this.#tests.answer(step, path, packet, message);
      return;
    }
    const view = {
      configuration: this.#configuration,
      addresses,
      nonces: this.#nonces,
      bindings: this.#bindings,
    };
    this.#registrar.handle(step, path, view, registrationRequest(packet, message));
  }
}
