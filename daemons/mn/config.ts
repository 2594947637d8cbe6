/**
 * Configuration of the mobile node: YAML → `MobileNodeConfiguration` and the daemon's own settings.
 */
import { z } from 'zod';
import {
  checkHome,
  checkHomes,
  checkRulePriorities,
  homeOf,
  homeShape,
  mobileShape,
  withDiscovery,
} from '#composition/mobile-settings.ts';
import { type NtmobileSettings, ntmobileSection } from '#composition/ntmobile-settings.ts';
import { checkVpn } from '#composition/vpn-settings.ts';
import type { ConfigurationContext } from '#daemon/configuration/config.ts';
import {
  crossCheck,
  EVEN_WHEN_FAULTY,
  type Report,
  soundEntries,
} from '#daemon/configuration/config-fields.ts';
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';

export interface MobileNodeSettings {
  readonly daemon: DaemonSettings;
  /** Without homes there is no Mobile IPv6. */
  readonly mobileNode: MobileNodeConfiguration;
  readonly ntmobile: NtmobileSettings | undefined;
}

/** Schema of `mn.yaml`. */
export function mobileNodeSchema(context: ConfigurationContext) {
  const home = z
    .strictObject(homeShape(context))
    .superRefine(crossCheck(checkHome), EVEN_WHEN_FAULTY)
    .transform(homeOf);
  return z
    .strictObject({
      homes: z
        .array(home)
        .max(16)
        .default([])
        .meta({ description: 'Mobile IPv6: one entry for each home agent' }),
      ntmobile: ntmobileSection(context).optional(),
      ...mobileShape('mn'),
    })
    .superRefine(crossCheck(checkHomes), EVEN_WHEN_FAULTY)
    .superRefine(crossCheck(checkRulePriorities), EVEN_WHEN_FAULTY)
    .superRefine(crossCheck(checkVpn), EVEN_WHEN_FAULTY)
    .superRefine(crossCheck(checkPurpose), EVEN_WHEN_FAULTY)
    .transform(
      ({ daemon, ntmobile, ...mobileNode }): MobileNodeSettings => ({
        daemon,
        mobileNode: { ...withDiscovery(mobileNode), hasPeersAnywhere: ntmobile !== undefined },
        ntmobile,
      }),
    )
    .meta({ description: 'mobile node (RFC 6275, RFC 5555; NTMobile)' });
}

interface Purposes {
  readonly homes?:
    | readonly ({ readonly publicKey?: Uint8Array | undefined } | undefined)[]
    | undefined;
  readonly ntmobile?: unknown;
}

/** Reports a configuration with neither Mobile IPv6 nor NTMobile. */
function checkPurpose(parts: Purposes, report: Report): void {
  const sealed = soundEntries(parts.homes).some(([, { publicKey }]) => publicKey !== undefined);
  if (sealed && Object.hasOwn(parts, 'ntmobile')) {
    report(
      'a home with publicKey and ntmobile in one daemon are not supported yet',
      'run NTMobile on another host, or use security in the home',
      ['ntmobile'],
    );
  }
  if (parts.homes?.length !== 0 || Object.hasOwn(parts, 'ntmobile')) return;
  report(
    'neither homes nor ntmobile is given',
    'give homes for Mobile IPv6, ntmobile for NTMobile, or both',
  );
}
