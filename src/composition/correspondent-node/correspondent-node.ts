/** The engine of a correspondent node, and its part of the host's addresses. */

import type { EngineSetup } from '#composition/engine-daemon.ts';
import type { PlaneDaemonSettings } from '#daemon/daemon-settings.ts';
import type { CorrespondentNodeConfiguration } from '#engine/mobile-ipv6/correspondent-node/configuration.ts';
import { createCorrespondentNode } from '#engine/mobile-ipv6/correspondent-node/correspondent-node.ts';
import { ownAddresses } from '#engine/mobile-ipv6/correspondent-node/own-addresses.ts';
import { randomBytes } from '#host/process/random.ts';

/** Which bindings are in use matters once, near the end of their lifetimes. */
const TRAFFIC_INTERVAL_MS = 5_000;

export interface CorrespondentNodeSettings {
  readonly daemon: PlaneDaemonSettings;
  readonly correspondentNode: CorrespondentNodeConfiguration;
}

export function openCorrespondentNode({
  correspondentNode,
}: CorrespondentNodeSettings): EngineSetup<CorrespondentNodeSettings> {
  const engine = createCorrespondentNode(correspondentNode, randomBytes);
  return {
    engine,
    ports: {
      traffic: true,
      trafficIntervalMs: TRAFFIC_INTERVAL_MS,
      localAddresses: (interfaces) => ownAddresses(correspondentNode.addresses, interfaces),
    },
    reconfigure: (now, fresh, out) => engine.reconfigure(now, fresh.correspondentNode, out),
  };
}
