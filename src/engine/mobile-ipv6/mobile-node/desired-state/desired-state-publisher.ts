/**
 * Publishes the parts of the desired state that changed since they were last published.
 *
 * No RFC behaviour here; desired-parts.ts says what is desired.
 */
import { familyOf, type IpAddress } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { type DesiredPart, describeTunnel } from '#engine/contract/desired-state.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { HomeAgentAddresses } from '#engine/mobile-ipv6/mobile-node/home/home-agent-addresses.ts';
import {
  CARE_OF_NETWORKS_PART,
  CARE_OF_PART,
  type DesiredParts,
  hasRouteTo,
  hasRuleFrom,
  isUrgentPart,
  POLICY_PART,
} from './desired-parts.ts';

export class DesiredStatePublisher {
  /** Each part as last published, with its text for comparison. */
  readonly #published = new Map<string, { readonly part: DesiredPart; readonly text: string }>();

  publish(step: Step, parts: DesiredParts): void {
    this.#publishChanged(step, parts);
    for (const key of this.#published.keys()) {
      if (parts.has(key)) continue;
      this.#published.delete(key);
      step.out.push({ kind: 'set-desired', key, part: undefined });
    }
  }

  /**
   * What the first packets from the new care-of address to the home agents need; the other parts
   * have to follow in the same step. That is less if the rules of the daemon's mark exist, none
   * sends packets from this address to a table that changes now, and no home agent is on a link of
   * this or of the former care-of address.
   */
  publishUrgent(
    step: Step,
    parts: DesiredParts,
    careOf: IpAddress,
    homeAgents: HomeAgentAddresses,
  ): void {
    const careOfRules = this.#published.get(CARE_OF_PART)?.part ?? {};
    const targets = homeAgents.targets(familyOf(careOf), () => false);
    const addresses = targets.map(({ outerAddress }) => outerAddress);
    const networks = [
      this.#published.get(CARE_OF_NETWORKS_PART)?.part,
      parts.get(CARE_OF_NETWORKS_PART),
    ];
    if (
      !this.#published.has(POLICY_PART) ||
      hasRuleFrom(careOfRules, careOf) ||
      networks.some((part) => part !== undefined && hasRouteTo(part, addresses))
    ) {
      this.publish(step, parts);
      return;
    }
    this.#publishChanged(
      step,
      parts.entries().filter(([key]) => isUrgentPart(key)),
    );
  }

  #publishChanged({ out }: Step, parts: Iterable<readonly [string, DesiredPart]>): void {
    for (const [key, part] of parts) {
      const text = JSON.stringify(part);
      if (this.#published.get(key)?.text === text) continue;
      this.#published.set(key, { part, text });
      out.push({ kind: 'set-desired', key, part });
    }
  }

  /** For the operator. */
  tunnels(): JsonValue {
    return [...this.#published.values()].flatMap(({ part }) =>
      (part.tunnels ?? []).map(describeTunnel),
    );
  }
}
