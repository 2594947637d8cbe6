/**
 * Sends one Binding Update of an exchange, as soon as the rate limit allows.
 *
 * RFC 6275 §11.8  a new sequence number for each retransmission, MAX_UPDATE_RATE, time to wait
 * RFC 4285 §6     a new timestamp for each
 */
import { after, wall } from '#base/time.ts';
import type { Timers } from '#engine/shared/timers.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility.ts';
import { buildBindingUpdate, type HomeAgentTarget } from './binding-update.ts';
import type { Home } from './configuration.ts';
import type { Exchange } from './exchange.ts';
import type { HomeMemory } from './home-memory.ts';
import type { CareOfCandidate } from './movement.ts';
import type { NodeContext, Step } from './node-context.ts';
import type { HomeTimer } from './timer-names.ts';
import { lifetimeUnits } from './tunnel-endpoints.ts';

/** The registration that sends. */
export interface Sender {
  readonly home: Home;
  readonly memory: HomeMemory;
  readonly timers: Timers<HomeTimer>;
  readonly careOf: CareOfCandidate | undefined;
  persist(step: Step): void;
}

/** Sends now and arms 'retransmit', or arms 'transmit' for the moment at which it may be sent. */
export function transmitUpdate(
  step: Step,
  context: NodeContext,
  sender: Sender,
  exchange: Exchange,
  target: HomeAgentTarget,
  how: { readonly forceUdp: boolean; readonly linkLocalCompatibility: boolean },
): void {
  const { now } = step;
  const { home, memory, timers } = sender;
  const allowedAt = context.rate.allowedAt(target.address, now);
  timers.clear('retransmit', 'transmit');
  if (allowedAt > now) {
    context.count('binding-update-delayed');
    timers.set('transmit', allowedAt);
    return;
  }
  const registers = exchange.purpose === 'register';
  const wallNow = context.wall(now);
  const units = registers ? lifetimeUnits(now, context.configuration.lifetimeSeconds, sender.careOf) : 0;
  const sequence = memory.advanceSequence();
  const timestamp = home.securityAssociation === undefined ? undefined : memory.advanceTimestamp(wallNow);
  memory.mayBeBoundUntil(wall(wallNow + units * LIFETIME_UNIT_SECONDS * 1000));
  const { path, packet } = buildBindingUpdate({
    ...how,
    homeAddress: home.homeAddress,
    careOfAddress: exchange.careOfAddress,
    target,
    sequence,
    lifetimeUnits: units,
    ipv4HomeAddress: registers ? memory.ipv4HomeAddressAsked : undefined,
    identifier: home.identifier,
    timestamp,
    securityAssociation: home.securityAssociation,
    udpPort: context.configuration.udpPort,
    additions: context.additions(home),
  });
  sender.persist(step);
  step.out.push({ kind: 'send', path, packet });
  context.rate.sent(target.address, now);
  context.count('binding-update-sent');
  const waitMs = exchange.transmitted({ sequence, timestamp, at: now, lifetimeUnits: units }, target);
  timers.set('retransmit', after(now, waitMs));
}
