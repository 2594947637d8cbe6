/** The mobile node daemon. Nothing is decided here. */
import { openHomes, startMobile } from '#compose/mobile-daemon.ts';
import { cleanUp } from '#compose/own-kernel.ts';
import { createMobileNode } from '#engine/mobile-node/mobile-node.ts';
import { sendToNotifySocket } from '#host/notify-socket.ts';
import { randomBytes } from '#host/random.ts';
import { loadConfiguration } from '#ops/config.ts';
import { runDaemon } from '#ops/lifecycle.ts';
import { type MobileNodeSettings, mobileNodeSchema } from './config.ts';

const ROLE = 'mobile-node';

await runDaemon<MobileNodeSettings>(sendToNotifySocket, {
  role: 'mn',
  description: 'Mobile node of Sojourn (RFC 6275, RFC 5555).',
  load: (file) => loadConfiguration(file, mobileNodeSchema),
  cautions: ({ mobileNode }) => openHomes(mobileNode),
  start: ({ daemon, mobileNode }, house) =>
    startMobile({ role: ROLE, daemon, node: mobileNode, engine: createMobileNode(mobileNode, randomBytes) }, house),
  cleanup: ({ daemon }) => cleanUp(ROLE, daemon),
});
