/** Registrations of the scripted router that its home agent must accept. */
import { expect } from 'vitest';
import type { HomeAddressOf, Registration, ScriptedRouter } from './scripted-router.ts';

/** Creates a new binding from the network `ar6`. */
export async function createBinding(
  router: ScriptedRouter,
  home: HomeAddressOf,
  prefixes: Registration['prefixes'],
): Promise<void> {
  await router.deregisterAll();
  if (router.lab.location('mr') !== 'ar6') await router.moveTo('ar6');
  await registerAccepted(router, { home, prefixes });
}

export async function registerAccepted(
  router: ScriptedRouter,
  registration: Registration,
): Promise<void> {
  expect(await router.register(registration)).toMatchObject({
    status: 0,
    flags: { mobileRouter: true },
  });
}
