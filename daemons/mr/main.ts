/** The mobile router daemon. Nothing is decided here. */
import { openHomes, startMobile } from '#compose/mobile-daemon.ts';
import { cleanUp } from '#compose/own-kernel.ts';
import { createMobileRouter } from '#engine/mobile-router/mobile-router.ts';
import { sendToNotifySocket } from '#host/notify-socket.ts';
import { randomBytes } from '#host/random.ts';
import { forwardingControl } from '#host/sysctl.ts';
import { loadConfiguration } from '#ops/config.ts';
import { runDaemon } from '#ops/lifecycle.ts';
import { type MobileRouterSettings, mobileRouterSchema } from './config.ts';

const ROLE = 'mobile-router';

await runDaemon<MobileRouterSettings>(sendToNotifySocket, {
  role: 'mr',
  description: 'Mobile router of Sojourn (RFC 3963, RFC 5555).',
  load: (file) => loadConfiguration(file, mobileRouterSchema),
  cautions: ({ mobileRouter }) => openHomes(mobileRouter),
  start: ({ daemon, mobileRouter }, house) =>
    startMobile(
      {
        role: ROLE,
        daemon,
        node: mobileRouter,
        engine: createMobileRouter({ ...mobileRouter, forwarding: forwardingControl() }, randomBytes),
        mobileNetworkDevices: mobileRouter.mobileNetworks.map(({ device }) => device),
      },
      house,
      (settings: MobileRouterSettings) => settings.mobileRouter,
    ),
  cleanup: ({ daemon }) => cleanUp(ROLE, daemon),
});
