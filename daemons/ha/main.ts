/** The home agent daemon. */
import { warmUpHandovers } from '#composition/handover-warm-up.ts';
import { runPacketDaemon } from '#composition/packet-daemon.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { interfacesLosingRouterAdvertisements } from '#host/kernel/sysctl.ts';
import { randomBytes } from '#host/process/random.ts';
import { homeAgentSchema } from './config.ts';

await runPacketDaemon({
  role: 'ha',
  kernelOwner: 'home-agent',
  description: 'Home agent of Sojourn (RFC 6275, RFC 5555, RFC 3963).',
  schema: homeAgentSchema,
  warnings: ({ homeAgent }) =>
    homeAgent.insecure ? ['security: none: any host may register any home address'] : [],
  warmUp: warmUpHandovers,
  plane: ({ homeAgent: { ipv4Addresses, udpPort, homeLink } }) => ({
    lookup: 'inner-destination',
    udpPort: ipv4Addresses.length > 0 ? udpPort : 0,
    linkDevices: homeLink === undefined ? [] : [homeLink],
    noticeUnknownEndpoints: true,
  }),
  addresses: ({ homeAgent }) => [...homeAgent.addresses, ...homeAgent.ipv4Addresses],
  registrationKeys: ({ homeAgent: { mobileNodes } }) =>
    mobileNodes.flatMap(({ registrationKeys, identifier, homeAddresses }) =>
      registrationKeys.map((key) => ({ ...key, identifier, homeAddresses })),
    ),
  engine({ daemon, homeAgent }) {
    // The host is the router of the home link and would hear its own advertisements.
    const acceptRaInterfaces = interfacesLosingRouterAdvertisements().filter(
      (name) => name !== daemon.device && name !== homeAgent.homeLink,
    );
    const engine = createHomeAgent({ ...homeAgent, acceptRaInterfaces }, randomBytes);
    return {
      engine,
      reconfigure: (now, fresh, out) =>
        engine.reconfigure(now, { ...fresh.homeAgent, acceptRaInterfaces }, out),
    };
  },
});
