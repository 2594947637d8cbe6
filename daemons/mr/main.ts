/** The mobile router daemon. */
import { daemonPublicKey } from '#composition/daemon-key.ts';
import { warmUpHandovers } from '#composition/handover-warm-up.ts';
import { resolvConfPaths } from '#composition/host-names.ts';
import {
  homeKeys,
  mobilePlane,
  openMobileEngines,
  sealingKey,
  unprotectedHomes,
} from '#composition/mobile-engines.ts';
import { runPacketDaemon } from '#composition/packet-daemon.ts';
import { createMobileRouter } from '#engine/mobile-ipv6/mobile-router/mobile-router.ts';
import { restoreResolvConf } from '#host/dns/resolv-conf.ts';
import { forwardingControl } from '#host/kernel/sysctl.ts';
import { randomBytes } from '#host/process/random.ts';
import { type MobileRouterSettings, mobileRouterSchema } from './config.ts';

await runPacketDaemon<MobileRouterSettings>({
  role: 'mr',
  kernelOwner: 'mobile-router',
  description: 'Mobile router of Sojourn (RFC 3963, RFC 5555).',
  schema: mobileRouterSchema,
  publicKey: daemonPublicKey,
  warnings: ({ mobileRouter }) => unprotectedHomes(mobileRouter),
  warmUp: warmUpHandovers,
  plane: ({ daemon, mobileRouter }) => mobilePlane(mobileRouter, daemon),
  registrationKeys: ({ mobileRouter }) => homeKeys(mobileRouter),
  engine({ daemon, mobileRouter: node }, host) {
    const engine = createMobileRouter(
      { ...node, forwarding: forwardingControl() },
      randomBytes,
      sealingKey(node, daemon),
    );
    const nodeOf = (fresh: MobileRouterSettings) => fresh.mobileRouter;
    return openMobileEngines({ daemon, node, nodeOf, engine, router: node }, host);
  },
  cleanup: ({ daemon }) => restoreResolvConf(resolvConfPaths(daemon)),
});
