/** Configuration of the mobile node: YAML → `MobileNodeConfiguration` and the settings of the process. */
import { z } from 'zod';
import { checkHome, checkHomes, homeOf, homeShape, mobileShape } from '#compose/mobile-settings.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-node/configuration.ts';
import type { ConfigurationContext } from '#ops/config.ts';
import { crossCheck, EVEN_WHEN_FAULTY } from '#ops/config-fields.ts';
import type { DaemonSettings } from '#ops/daemon-settings.ts';

export interface MobileNodeSettings {
  readonly daemon: DaemonSettings;
  readonly mobileNode: MobileNodeConfiguration;
}

/** Schema of `mn.yaml`. */
export function mobileNodeSchema(context: ConfigurationContext) {
  const home = z
    .strictObject(homeShape(context))
    .superRefine(crossCheck(checkHome), EVEN_WHEN_FAULTY)
    .transform(homeOf);
  return z
    .strictObject({
      ...mobileShape('mn'),
      homes: z.array(home).min(1).max(16).meta({ description: 'one entry for each home agent' }),
    })
    .superRefine(crossCheck(checkHomes), EVEN_WHEN_FAULTY)
    .transform(({ daemon, ...mobileNode }): MobileNodeSettings => ({ daemon, mobileNode }));
}
