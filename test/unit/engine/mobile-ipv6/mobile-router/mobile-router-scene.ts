/** Networks and observations that tests of a mobile router share. */
import { expect } from 'vitest';
import type { RouterHome } from '#engine/mobile-ipv6/mobile-router/configuration.ts';
import { INGRESS, RouterScene } from '#test/conformance/nemo-mr-scene.ts';
import {
  HOME_AGENT,
  type SeenUpdate,
} from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import { filterOptions } from '#wire/mobility/options.ts';

const ROUTER = { family: 6, gateway: 'fe80::1' } as const;
export const AT_A = { addresses: ['2001:db8:f1::2/64'], routers: [ROUTER] };
export const AT_B = { addresses: ['2001:db8:f2::2/64'], routers: [ROUTER], epoch: 2 };
export const AT_HOME = { addresses: ['2001:db8:1::77/64'], routers: [ROUTER], epoch: 3 };

/** One home agent and no name to resolve. */
export const ALONE = { homeAgent: { addresses: [HOME_AGENT] } } as const;

/** The first Binding Update after leaving home. */
export function first(changes: Partial<RouterHome> = {}): readonly [RouterScene, SeenUpdate] {
  const scene = new RouterScene(changes);
  scene.network(AT_A, INGRESS);
  return [scene, scene.update()];
}

export function modeOf({ message }: SeenUpdate): string {
  expect(message.flags.mobileRouter).toBe(true);
  return filterOptions(message.options, 'mobile-network-prefix').length > 0
    ? 'explicit'
    : 'implicit';
}

/** Prefixes that the tunnel carries besides home addresses. */
export function carried(scene: RouterScene): readonly string[] {
  return scene
    .planeRoutes()
    .filter(({ prefix }) => prefix.length !== 128 && prefix.length !== 32)
    .map(({ prefix }) => prefix.address);
}

export function expectPhase(scene: RouterScene, phase: string): void {
  expect(scene.request('status')).toMatchObject({ homes: [{ phase }] });
}
