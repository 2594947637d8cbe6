/** The mobile node daemon: Mobile IPv6, NTMobile or both. */
import { daemonPublicKey } from '#composition/daemon-key.ts';
import { warmUpHandovers } from '#composition/handover-warm-up.ts';
import { resolvConfPaths } from '#composition/host-names.ts';
import {
  homeKeys,
  mobilePlane,
  mobileWarnings,
  openMobileEngines,
  sealingKey,
} from '#composition/mobile-engines.ts';
import { runPacketDaemon } from '#composition/packet-daemon.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { restoreResolvConf } from '#host/dns/resolv-conf.ts';
import { randomBytes } from '#host/process/random.ts';
import { type MobileNodeSettings, mobileNodeSchema } from './config.ts';

const hasHomes = ({ mobileNode }: MobileNodeSettings): boolean => mobileNode.homes.length > 0;

await runPacketDaemon<MobileNodeSettings>({
  role: 'mn',
  kernelOwner: 'mobile-node',
  description: 'Mobile node of Sojourn: Mobile IPv6 (RFC 6275, RFC 5555) and NTMobile.',
  schema: mobileNodeSchema,
  publicKey: daemonPublicKey,
  warnings: ({ mobileNode, ntmobile }) => mobileWarnings(mobileNode, ntmobile),
  warmUp: (settings) => (hasHomes(settings) ? warmUpHandovers() : undefined),
  plane: ({ daemon, mobileNode, ntmobile }) => mobilePlane(mobileNode, daemon, ntmobile),
  registrationKeys: ({ mobileNode }) => homeKeys(mobileNode),
  engine(settings, host) {
    const { daemon, mobileNode: node, ntmobile } = settings;
    const engine = hasHomes(settings)
      ? createMobileNode(node, randomBytes, { own: sealingKey(node, daemon) })
      : undefined;
    const nodeOf = (fresh: MobileNodeSettings) => fresh.mobileNode;
    return openMobileEngines({ daemon, node, nodeOf, engine, ntmobile }, host);
  },
  cleanup: ({ daemon }) => restoreResolvConf(resolvConfPaths(daemon)),
});
