/**
 * The binding that an acceptance grants, and its entries of the Binding Update List.
 *
 * RFC 6275 §11.1, §11.7.3;  RFC 3963 §5.1 R flag and prefixes
 * RFC 5555 §4.4.2  NAT detection; one entry for each home address
 */
import type { IpAddress } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { BindingUpdateListEntry } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import { keepaliveSeconds } from '#engine/mobile-ipv6/common/nat-keepalive.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import {
  acknowledgedEndpoints,
  dataProtection,
  defaultEndpoints,
  natDetected,
  type TunnelEndpoints,
} from '#engine/mobile-ipv6/mobile-node/desired-state/tunnel-endpoints.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import { findOption, type MobilityOptionOf } from '#wire/mobility/options.ts';
import type { ExchangeHome, MatchedAcknowledgement } from './exchange.ts';
import { grantedSeconds, type RefreshSchedule, refreshSchedule } from './refresh-schedule.ts';

interface GrantedBinding {
  readonly lifetimeSeconds: number;
  readonly nat: boolean;
  readonly tunnel: TunnelEndpoints;
  readonly schedule: RefreshSchedule;
  /** The home agent's interval of keepalives; undefined where no NAT needs one. */
  readonly adviceSeconds: number | undefined;
  /** The home agent will call back. */
  readonly granted: MobilityOptionOf<'callback'> | undefined;
}

export function grantedBinding(
  { message, update, target }: MatchedAcknowledgement,
  careOf: CareOfCandidate,
  {
    natKeepaliveSeconds,
    home,
  }: {
    readonly natKeepaliveSeconds: number;
    readonly home: Pick<HomeConfiguration, 'publicKey' | 'esp'>;
  },
): GrantedBinding {
  const protection = dataProtection(home);
  const mayBeTranslated = careOf.family === 4 || protection === 'sealed';
  const detection = mayBeTranslated ? findOption(message.options, 'nat-detection') : undefined;
  return {
    lifetimeSeconds: grantedSeconds(message, update),
    nat: natDetected(detection),
    tunnel:
      protection === 'none'
        ? acknowledgedEndpoints(careOf, target, detection)
        : defaultEndpoints(careOf, target, protection),
    schedule: refreshSchedule(message, update),
    adviceSeconds: keepaliveSeconds(detection, natKeepaliveSeconds),
    granted: findOption(message.options, 'callback'),
  };
}

/** One entry for each home address that is bound. */
export function bindingUpdateListEntries(
  { configuration, ipv4HomeAddress, role }: ExchangeHome,
  careOfAddress: IpAddress,
  { target, update }: MatchedAcknowledgement,
  { lifetimeSeconds, nat, tunnel, schedule }: GrantedBinding,
): readonly BindingUpdateListEntry[] {
  const { mobileRouter, prefixes } = role.registeredPrefixes();
  const entry = {
    destination: target.address,
    careOfAddress,
    initialLifetimeSeconds: lifetimeSeconds,
    sentAt: update.at,
    expiresAt: schedule.expiresAt,
    sequence: update.sequence,
    acknowledged: true,
    homeRegistration: true,
    encapsulation: tunnel.encapsulation,
    nat,
    mobileRouter,
    mobileNetworkPrefixes: prefixes,
  } as const;
  const ipv6Entry = { ...entry, homeAddress: configuration.homeAddress };
  return ipv4HomeAddress === undefined
    ? [ipv6Entry]
    : [ipv6Entry, { ...entry, homeAddress: ipv4HomeAddress }];
}

/** Reports an acceptance; `startedAt`: when the first Binding Update of the exchange was sent. */
export function reportAcceptance(
  step: Step,
  home: ExchangeHome & { recordHandover(step: Step, roundTripMs: number): void },
  careOf: CareOfCandidate,
  answer: MatchedAcknowledgement,
  grant: GrantedBinding,
  { moved, startedAt }: { readonly moved: boolean; readonly startedAt: Monotonic | undefined },
): void {
  if (moved) home.recordHandover(step, step.now - answer.update.at);
  home.event(step, moved ? 'registered' : 'refreshed', moved ? 'info' : 'debug', {
    ...acceptanceFields(step.now, home, careOf, answer, grant),
    updateAtMs: startedAt ?? answer.update.at,
    atMs: step.now,
  });
}

function acceptanceFields(
  now: Monotonic,
  { ipv4HomeAddress }: ExchangeHome,
  { address, device, appearedAt }: CareOfCandidate,
  { message, update }: MatchedAcknowledgement,
  { lifetimeSeconds, nat, tunnel }: GrantedBinding,
): JsonObject {
  return {
    careOfAddress: address,
    interface: device,
    encapsulation: tunnel.encapsulation,
    roundTripMs: now - update.at,
    status: message.status,
    nat,
    lifetimeSeconds,
    ipv4HomeAddress,
    addressAtMs: appearedAt,
  };
}
