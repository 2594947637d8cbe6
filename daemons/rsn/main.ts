/** The relay daemon. */
import { daemonPublicKey } from '#composition/daemon-key.ts';
import { runPacketDaemon } from '#composition/packet-daemon.ts';
import { openRelay } from '#composition/relay.ts';
import { removeAddressMaps } from '#host/kernel/address-map.ts';
import { relaySchema } from './config.ts';

await runPacketDaemon({
  role: 'rsn',
  kernelOwner: 'relay-server',
  description:
    'Relay of Sojourn (NTMobile): connects nodes to each other, and to servers without NTMobile.',
  schema: relaySchema,
  publicKey: daemonPublicKey,
  plane: ({ relay }) => ({ lookup: 'inner-destination', sealedPort: relay.port }),
  engine: openRelay,
  cleanup: ({ daemon }) => removeAddressMaps(daemon.device),
});
