/**
 * Enrolment at a home agent, with everything that belongs to it.
 *
 * No RFC: docs/reference/enrolment.md
 */
import type { JsonObject, JsonValue } from '#base/json.ts';
import { hkdfExpand, type KeyPair, sharedSecret } from '#crypto/primitives.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import { emit } from '#engine/mobile-ipv6/home-agent/events.ts';
import type { OperatorPolicy } from '#engine/mobile-ipv6/home-agent/policy.ts';
import type { HomeAgentCounters } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { WallClock } from '#engine/mobile-ipv6/home-agent/wall-clock.ts';
import { EnrolmentCommands } from './enrolment-commands.ts';
import { EnrolmentRequests } from './enrolment-requests.ts';
import { Enrolments } from './enrolments.ts';

const ADDRESS_LABEL = new TextEncoder().encode('sojourn enrolment home addresses');

interface ServiceContext {
  readonly policy: OperatorPolicy;
  readonly clock: WallClock;
  readonly counters: HomeAgentCounters;
  readonly own: KeyPair;
  readonly random: RandomBytes;
  /** Applies the policy to bindings, sessions and the IPv4 pool. */
  recheck(step: Step): void;
}

type Command = (
  step: Step,
  parameters: JsonObject,
) => { readonly ok: boolean; readonly value: JsonValue };

export class EnrolmentService {
  readonly #context: ServiceContext;
  readonly #enrolments: Enrolments;
  readonly requests: EnrolmentRequests;
  readonly commands: ReadonlyMap<string, Command>;

  constructor(context: ServiceContext) {
    const { policy, counters, own, recheck } = context;
    const enrolments = new Enrolments({
      ...context,
      addressKey: addressKeyOf(own),
      configuration: () => policy.configured,
    });
    this.#context = context;
    this.#enrolments = enrolments;
    this.requests = new EnrolmentRequests({ enrolments, policy, counters, recheck });
    const { publicKey } = own;
    const commands = new EnrolmentCommands({ enrolments, policy, publicKey, recheck });
    this.commands = new Map<string, Command>([
      ['enroll-add', (step, parameters) => commands.add(step, parameters)],
      ['enroll-list', (step) => commands.list(step)],
      ['enroll-show', (step, parameters) => commands.show(step, parameters)],
      ['enroll-revoke', (step, parameters) => commands.revoke(step, parameters)],
    ]);
  }

  /** Takes over a record of the store. */
  restore(step: Step, name: string, value: JsonValue): void {
    this.#enrolments.restore(step, name, value);
  }

  /**
   * Call when the store was read, and when the configuration changed, before `recheck`. Says
   * whether there are enrolled nodes.
   */
  compare(step: Step): boolean {
    const { policy } = this.#context;
    for (const { name, why } of this.#enrolments.compare())
      emit(step, 'warn', 'enrolment-conflict', { identifier: name, why });
    const nodes = this.#enrolments.mobileNodes();
    policy.setEnrolled(nodes);
    return nodes.length > 0;
  }
}

/** Secret, and as lasting as the home agent's identity. */
function addressKeyOf(own: KeyPair): Uint8Array {
  const secret = sharedSecret(own.privateKey, own.publicKey);
  return hkdfExpand(secret ?? own.publicKey, ADDRESS_LABEL, 32);
}
