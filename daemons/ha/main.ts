/** The home agent daemon. */
import { daemonPublicKey } from '#composition/daemon-key.ts';
import { espPortChanges, homeAgentEspPort } from '#composition/esp-associations.ts';
import { warmUpHandovers } from '#composition/handover-warm-up.ts';
import { openHomeAgent } from '#composition/home-agent.ts';
import { protectionWarnings } from '#composition/home-agent-grants.ts';
import { runPacketDaemon } from '#composition/packet-daemon.ts';
import { removeInternetAccess } from '#host/kernel/internet-access.ts';
import { removeNodeGroups } from '#host/kernel/node-groups.ts';
import { homeAgentSchema } from './config.ts';

await runPacketDaemon({
  role: 'ha',
  kernelOwner: 'home-agent',
  description: 'Home agent of Sojourn (RFC 6275, RFC 5555, RFC 3963).',
  schema: homeAgentSchema,
  publicKey: daemonPublicKey,
  warnings: ({ homeAgent }) => protectionWarnings(homeAgent),
  warmUp: warmUpHandovers,
  plane: ({ homeAgent }) => ({
    lookup: 'inner-destination',
    udpPort: homeAgent.ipv4Addresses.length > 0 ? homeAgent.udpPort : 0,
    sealedPort: homeAgent.udpPort,
    linkDevices: homeAgent.homeLink === undefined ? [] : [homeAgent.homeLink],
    noticeUnknownEndpoints: true,
    espPort: homeAgentEspPort({ homeAgent }),
  }),
  needsRestart: (started, fresh) => espPortChanges(started, fresh),
  addresses: ({ homeAgent }) => [...homeAgent.addresses, ...homeAgent.ipv4Addresses],
  registrationKeys: ({ homeAgent: { mobileNodes } }) =>
    mobileNodes.flatMap(({ registrationKeys, identifier, homeAddresses }) =>
      registrationKeys.map((key) => ({ ...key, identifier, homeAddresses })),
    ),
  engine: openHomeAgent,
  cleanup({ daemon }) {
    removeInternetAccess(daemon.device);
    removeNodeGroups(daemon.device);
  },
});
