/**
 * What the registrations of a home share: the home's configuration and what it has learnt so far.
 *
 * RFC 6275 §11.1, §11.7
 */

import type { IpAddress, Ipv4Address } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type {
  ExchangePurpose,
  HomeAgentTarget,
} from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { NodeContext } from '#engine/mobile-ipv6/mobile-node/node-context.ts';
import type { HomeAgentAddresses } from './home-agent-addresses.ts';
import type { HomeAgentSilence } from './home-agent-silence.ts';
import type { HomeRole } from './home-role.ts';
import type { StoredRegistration } from './stored-registration.ts';

/** Binding Updates that a home agent did not answer. */
export interface SilentTarget {
  readonly target: HomeAgentTarget | undefined;
  readonly careOfAddress: IpAddress;
}

export interface HomeContext {
  readonly configuration: HomeConfiguration;
  readonly node: NodeContext;
  readonly role: HomeRole;
  /** Sequence number, timestamps and IPv4 home address; all registrations use the same. */
  readonly stored: StoredRegistration;
  readonly homeAgents: HomeAgentAddresses;
  /** Undefined if there is none, or the home agent refused it. */
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  readonly silence: HomeAgentSilence;
  reportSilence(step: Step, silent: SilentTarget): void;
  /** The L bit (RFC 6275 §11.7.1) of a Binding Update that is sent now. */
  linkLocalCompatibility(purpose: ExchangePurpose): boolean;
  /** The L bit of the last registration. */
  readonly linkLocalCompatible: boolean;
  /** The home agent may hold a binding of this home. */
  mayBeBound(step: Step): boolean;
  persist(step: Step): void;
  /** The node has arrived at the care-of address or home link: data can flow. */
  recordHandover(step: Step, roundTripMs: number | undefined): void;
  event(
    step: Step,
    name: EngineEvent['name'],
    level: EngineEvent['level'],
    fields: JsonObject,
  ): void;
}
