/** The home agent daemon. */
import { daemonPublicKey } from '#composition/daemon-key.ts';
import { hasEspData } from '#composition/esp-associations.ts';
import { warmUpHandovers } from '#composition/handover-warm-up.ts';
import { openHomeAgent } from '#composition/home-agent.ts';
import { protectionWarnings } from '#composition/home-agent-grants.ts';
import { runPacketDaemon } from '#composition/packet-daemon.ts';
import { ESP_UDP_PORT } from '#engine/mobile-ipv6/common/esp/data-association.ts';
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
  plane: ({ homeAgent: { ipv4Addresses, udpPort, homeLink, mobileNodes } }) => ({
    lookup: 'inner-destination',
    udpPort: ipv4Addresses.length > 0 ? udpPort : 0,
    sealedPort: udpPort,
    linkDevices: homeLink === undefined ? [] : [homeLink],
    noticeUnknownEndpoints: true,
    espPort: ipv4Addresses.length > 0 && hasEspData(mobileNodes) ? ESP_UDP_PORT : 0,
  }),
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
