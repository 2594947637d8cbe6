/** The mobile router daemon. Nothing is decided here. */
import { openHomes, startMobileDaemon } from '#composition/mobile-daemon.ts';
import { cleanUp } from '#composition/own-kernel.ts';
import { loadConfiguration } from '#daemon/configuration/config.ts';
import { runDaemon } from '#daemon/lifecycle.ts';
import { createMobileRouter } from '#engine/mobile-ipv6/mobile-router/mobile-router.ts';
import { forwardingControl } from '#host/kernel/sysctl.ts';
import { sendToNotifySocket } from '#host/process/notify-socket.ts';
import { randomBytes } from '#host/process/random.ts';
import { type MobileRouterSettings, mobileRouterSchema } from './config.ts';

const ROLE = 'mobile-router';

await runDaemon<MobileRouterSettings>(sendToNotifySocket, {
  role: 'mr',
  description: 'Mobile router of Sojourn (RFC 3963, RFC 5555).',
  load: (file) => loadConfiguration(file, mobileRouterSchema),
  warnings: ({ mobileRouter }) => openHomes(mobileRouter),
  start: ({ daemon, mobileRouter }, house) =>
    startMobileDaemon(
      {
        role: ROLE,
        daemon,
        node: mobileRouter,
        engine: createMobileRouter(
          { ...mobileRouter, forwarding: forwardingControl() },
          randomBytes,
        ),
        mobileNetworkDevices: mobileRouter.mobileNetworks.map(({ device }) => device),
      },
      house,
      (settings: MobileRouterSettings) => settings.mobileRouter,
    ),
  cleanup: ({ daemon }) => cleanUp(ROLE, daemon),
});
