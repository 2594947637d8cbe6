/**
 * Configuration of the mobile node: YAML → `MobileNodeConfiguration` and the settings of the
 * process.
 */
import { z } from 'zod';
import {
  checkHome,
  checkHomes,
  homeOf,
  homeShape,
  mobileShape,
} from '#composition/mobile-settings.ts';
import { type NtmobileSettings, ntmobileSection } from '#composition/ntmobile-settings.ts';
import type { ConfigurationContext } from '#daemon/configuration/config.ts';
import { crossCheck, EVEN_WHEN_FAULTY, type Report } from '#daemon/configuration/config-fields.ts';
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';

export interface MobileNodeSettings {
  readonly daemon: DaemonSettings;
  /** With no homes: no Mobile IPv6. */
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
    .superRefine(crossCheck(checkPurpose), EVEN_WHEN_FAULTY)
    .transform(
      ({ daemon, ntmobile, ...mobileNode }): MobileNodeSettings => ({
        daemon,
        mobileNode,
        ntmobile,
      }),
    )
    .meta({ description: 'mobile node (RFC 6275, RFC 5555; NTMobile)' });
}

interface Purposes {
  readonly homes?: readonly unknown[] | undefined;
  readonly ntmobile?: unknown;
}

/** A node that has nothing to do is a slip. */
function checkPurpose(parts: Purposes, report: Report): void {
  if (parts.homes?.length !== 0 || Object.hasOwn(parts, 'ntmobile')) return;
  report(
    'neither homes nor ntmobile is given',
    'homes: for Mobile IPv6, ntmobile: for NTMobile, or both',
  );
}
