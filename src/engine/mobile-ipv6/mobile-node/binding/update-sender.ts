/**
 * Builds one Binding Update of an exchange from what the home has learnt so far, and sends it.
 *
 * RFC 6275 §11.8    a new sequence number for each transmission
 * RFC 6275 §11.7.1  L bit, lifetime
 * RFC 4285 §6       a new timestamp for each transmission
 */
import { wall } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { HomeContext } from '#engine/mobile-ipv6/mobile-node/home/home-context.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import type { SentUpdate } from './acknowledgement.ts';
import {
  buildBindingUpdate,
  type ExchangePurpose,
  type HomeAgentTarget,
} from './binding-update.ts';
import { lifetimeUnits } from './refresh-schedule.ts';
import type { UpdateOrigin } from './update-origin.ts';

export function sendBindingUpdate(
  step: Step,
  home: HomeContext,
  purpose: ExchangePurpose,
  { from, forceUdp }: UpdateOrigin,
  target: HomeAgentTarget,
): SentUpdate {
  const { stored, node } = home;
  const { homeAddress, identifier, registrationKey } = home.configuration;
  const registers = purpose === 'register';
  const wallNow = node.wall(step.now);
  const units = registers
    ? lifetimeUnits(step.now, node.configuration.lifetimeSeconds, from.validUntil)
    : 0;
  const sequence = stored.advanceSequence();
  const timestamp = registrationKey === undefined ? undefined : stored.advanceTimestamp(wallNow);
  stored.mayBeBoundUntil(wall(wallNow + units * LIFETIME_UNIT_SECONDS * 1000));
  const { path, packet } = buildBindingUpdate({
    homeAddress,
    careOfAddress: from.address,
    target,
    sequence,
    lifetimeUnits: units,
    linkLocalCompatibility: home.linkLocalCompatibility(purpose),
    forceUdp,
    ipv4HomeAddress: registers ? stored.requestedIpv4HomeAddress : undefined,
    identifier,
    timestamp,
    registrationKey,
    udpPort: node.configuration.udpPort,
    roleOptions: home.role.roleOptions(purpose),
  });
  home.persist(step);
  step.out.push({ kind: 'send', path, packet });
  return { sequence, timestamp, at: step.now, lifetimeUnits: units };
}
