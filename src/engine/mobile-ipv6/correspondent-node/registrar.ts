/**
 * Carries out the verdict on a Binding Update and sends the acknowledgement.
 *
 * RFC 6275 §9.5.2-3  binding and deletion;  §9.5.4 Binding Acknowledgements;  §12 lifetimes
 */
import { signBindingAuthorization } from '#crypto/return-routability.ts';
import { SourceRateLimit } from '#engine/common/source-rate-limit.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { mobilityPacket } from '#engine/mobile-ipv6/common/mobility-packet.ts';
import { BINDING_STATUSES, type BindingStatusName } from '#wire/mobility/binding-status.ts';
import { encodeMobility } from '#wire/mobility/header.ts';
import { LIFETIME_UNIT_SECONDS, NO_BINDING_ACKNOWLEDGEMENT_FLAGS } from '#wire/mobility/message.ts';
import {
  type Authorized,
  judgeBindingUpdate,
  type RegistrationView,
  type Verdict,
} from './binding-update-checks.ts';
import type { Bindings } from './bindings.ts';
import { MAX_BINDING_LIFETIME_SECONDS } from './constants.ts';
import type { CorrespondentNodeCounters } from './reasons.ts';
import { authorizationAddresses, type RegistrationRequest } from './registration-request.ts';

/** Refusals without Binding Authorization Data, which anybody can cause. */
const REFUSAL_RATES = {
  site: { perSecond: 10, burst: 10 },
  network: { perSecond: 50, burst: 50 },
  total: { perSecond: 1000, burst: 1000 },
} as const;

/** §9.5.4: these are sent whatever the A flag says. */
const ALWAYS_ANSWERED: ReadonlySet<BindingStatusName> = new Set([
  'expired-home-nonce-index',
  'expired-care-of-nonce-index',
  'expired-nonces',
  'sequence-number-out-of-window',
  'insufficient-resources',
]);

interface RegistrarContext {
  readonly counters: CorrespondentNodeCounters;
  readonly bindings: Bindings;
}

interface Acknowledgement {
  readonly status: BindingStatusName;
  readonly sequence: number;
  readonly lifetimeUnits: number;
  readonly key: Uint8Array | undefined;
}

export class Registrar {
  readonly #context: RegistrarContext;
  readonly #refusals = new SourceRateLimit(REFUSAL_RATES);

  constructor(context: RegistrarContext) {
    this.#context = context;
  }

  handle(step: Step, path: PacketPath, view: RegistrationView, request: RegistrationRequest): void {
    const verdict = judgeBindingUpdate(view, step.now, request);
    if (verdict.kind === 'discarded') this.#context.counters.count(verdict.reason);
    else if (verdict.kind === 'refused') this.#refuse(step, path, request, verdict);
    else this.#accept(step, path, view, request, verdict);
  }

  #refuse(
    step: Step,
    path: PacketPath,
    request: RegistrationRequest,
    { status, reason, key, sequence }: Extract<Verdict, { readonly kind: 'refused' }>,
  ): void {
    const { counters } = this.#context;
    const { update, source } = request;
    counters.count(reason);
    if (!update.flags.acknowledge && !ALWAYS_ANSWERED.has(status)) return;
    if (key === undefined && !this.#refusals.take(step.now, source)) {
      counters.count('refusal-rate-limited');
      return;
    }
    const refusal = { status, sequence: sequence ?? update.sequence, lifetimeUnits: 0, key };
    acknowledge(step, path, request, refusal);
  }

  #accept(
    step: Step,
    path: PacketPath,
    { configuration }: RegistrationView,
    request: RegistrationRequest,
    { key, homeNonce }: Authorized,
  ): void {
    const { bindings } = this.#context;
    const { homeAddress, update, isDeletion } = request;
    const { sequence } = update;
    const seconds = Math.min(configuration.maximumLifetimeSeconds, MAX_BINDING_LIFETIME_SECONDS);
    const most = Math.floor(seconds / LIFETIME_UNIT_SECONDS);
    const lifetimeUnits = isDeletion ? 0 : Math.min(update.lifetimeUnits, most);
    if (isDeletion) {
      const { serial: homeNonceSerial, expiresAt: replayableUntil } = homeNonce;
      const numbers = { sequence, homeNonceSerial, replayableUntil };
      bindings.delete(step, homeAddress, numbers, configuration);
    } else {
      const { careOfAddress, correspondentAddress } = request;
      bindings.accept(
        step,
        { homeAddress, careOfAddress, correspondentAddress, sequence, lifetimeUnits, homeNonce },
        configuration,
      );
    }
    if (!update.flags.acknowledge) return;
    acknowledge(step, path, request, { status: 'accepted', sequence, lifetimeUnits, key });
  }
}

/** To the source of the Binding Update, whatever the Binding Cache says (§9.5.4). */
function acknowledge(
  { out }: Step,
  path: PacketPath,
  request: RegistrationRequest,
  { status, sequence, lifetimeUnits, key }: Acknowledgement,
): void {
  const { source, homeAddress, correspondentAddress, hasHomeAddressOption } = request;
  const message = {
    type: 'binding-acknowledgement',
    status: BINDING_STATUSES[status].code,
    flags: NO_BINDING_ACKNOWLEDGEMENT_FLAGS,
    sequence,
    lifetimeUnits,
    options: [],
  } as const;
  const header =
    key === undefined
      ? encodeMobility(message, correspondentAddress, homeAddress)
      : signBindingAuthorization(message, key, {
          ...authorizationAddresses(request),
          source: correspondentAddress,
          destination: homeAddress,
        });
  const routed = hasHomeAddressOption ? homeAddress : undefined;
  out.push({
    kind: 'send',
    path,
    packet: mobilityPacket(correspondentAddress, source, routed, header),
  });
}
