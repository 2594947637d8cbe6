/** The lab's other home agent, and configurations of nodes with their home there. */
import {
  type ConfigurationOverrides,
  IDENTIFIER,
  mobileNodeConfiguration,
  mobileRouterConfiguration,
  routerKey,
  SECURITY,
} from './daemons.ts';
import { STATE_DIRECTORY } from './enter.ts';
import { MOBILE_ROUTERS } from './mobile-networks.ts';
import { ADDRESSES } from './networks.ts';

/**
 * Grants of the other home agent (namespace `ha2`): a home for the mobile node and one for the
 * mobile router `mr2`.
 */
export const OTHER_HOME = {
  address: '2001:db8:300::10',
  ipv4Address: '198.51.100.170',
  routerAddress: '2001:db8:300::21',
  routerIpv4Address: '198.51.100.171',
} as const;

/** Configuration of the other home agent. */
export function otherHomeAgentConfiguration(): ConfigurationOverrides {
  return {
    daemon: { name: 'ha2', stateDirectory: STATE_DIRECTORY },
    addresses: [ADDRESSES.otherHomeAgentIpv6],
    ipv4Addresses: [ADDRESSES.otherHomeAgentIpv4],
    homePrefixes: [ADDRESSES.otherHomePrefix],
    ipv4HomePrefixes: [ADDRESSES.otherHomeNetworkIpv4],
    mobileNodes: [
      {
        identifier: IDENTIFIER,
        security: SECURITY,
        homeAddresses: [OTHER_HOME.address],
        ipv4HomeAddresses: [OTHER_HOME.ipv4Address],
      },
      {
        identifier: MOBILE_ROUTERS.mr2.identifier,
        security: routerKey('mr2'),
        homeAddresses: [OTHER_HOME.routerAddress],
        ipv4HomeAddresses: [OTHER_HOME.routerIpv4Address],
        mobileNetworkPrefixes: [ADDRESSES.otherMobileNetwork, ADDRESSES.otherMobileNetworkIpv4],
      },
    ],
  };
}

const AT_OTHER_HOME_AGENT = {
  name: 'other',
  homeAgent: 'ha2.example',
  virtualHomeNetwork: true,
} as const;

/** Configuration of the mobile node with its home at the other home agent. */
export function otherMobileNodeConfiguration(): ConfigurationOverrides {
  const home = {
    ...AT_OTHER_HOME_AGENT,
    homeAddress: OTHER_HOME.address,
    ipv4HomeAddress: OTHER_HOME.ipv4Address,
    identifier: IDENTIFIER,
    security: SECURITY,
  };
  return mobileNodeConfiguration({ mobileNode: { homes: [home] } });
}

/** The configuration of `mr2` with its home, and other prefixes, at the other home agent. */
export function otherMobileRouterConfiguration(): ConfigurationOverrides {
  const home = {
    ...AT_OTHER_HOME_AGENT,
    homeAddress: OTHER_HOME.routerAddress,
    ipv4HomeAddress: OTHER_HOME.routerIpv4Address,
    identifier: MOBILE_ROUTERS.mr2.identifier,
    security: routerKey('mr2'),
    mobileNetworkPrefixes: [ADDRESSES.otherMobileNetwork, ADDRESSES.otherMobileNetworkIpv4],
  };
  const addresses = [ADDRESSES.otherMobileNetwork.replace('/', '1/'), '198.51.100.177/28'];
  return mobileRouterConfiguration('mr2', {
    mobileNode: { homes: [home], mobileNetworks: [{ device: 'lan0', addresses }] },
  });
}
