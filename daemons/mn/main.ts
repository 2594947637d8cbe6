/** The mobile node daemon: Mobile IPv6, NTMobile or both. Nothing is decided here. */

import { resolvConfPaths } from '#composition/host-names.ts';
import { openHomes, startMobileDaemon } from '#composition/mobile-daemon.ts';
import { ntmobileWarnings } from '#composition/ntmobile-settings.ts';
import { cleanUp } from '#composition/own-kernel.ts';
import { loadConfiguration } from '#daemon/configuration/config.ts';
import { type DaemonContext, type RunningDaemon, runDaemon } from '#daemon/lifecycle.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { restoreResolvConf } from '#host/dns/resolv-conf.ts';
import { sendToNotifySocket } from '#host/process/notify-socket.ts';
import { randomBytes } from '#host/process/random.ts';
import { type MobileNodeSettings, mobileNodeSchema } from './config.ts';

const ROLE = 'mobile-node';

function start(
  { daemon, mobileNode, ntmobile }: MobileNodeSettings,
  house: DaemonContext,
): Promise<RunningDaemon<MobileNodeSettings>> {
  const engine =
    mobileNode.homes.length === 0 ? undefined : createMobileNode(mobileNode, randomBytes);
  return startMobileDaemon(
    { role: ROLE, daemon, node: mobileNode, engine, ntmobile },
    house,
    (settings) => settings.mobileNode,
  );
}

await runDaemon<MobileNodeSettings>(sendToNotifySocket, {
  role: 'mn',
  description: 'Mobile node of Sojourn: Mobile IPv6 (RFC 6275, RFC 5555) and NTMobile.',
  load: (file) => loadConfiguration(file, mobileNodeSchema),
  warnings: ({ mobileNode, ntmobile }) => [
    ...openHomes(mobileNode),
    ...(ntmobile === undefined ? [] : ntmobileWarnings(ntmobile)),
  ],
  start,
  cleanup: ({ daemon }) => {
    cleanUp(ROLE, daemon);
    restoreResolvConf(resolvConfPaths(daemon));
  },
});
