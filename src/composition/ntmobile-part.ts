/** The engine of an NTMobile node, its login and its name resolution. */

import type { IpAddress } from '#base/ip.ts';

import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { NtmobileNodeConfiguration } from '#engine/ntmobile/node/configuration.ts';
import {
  createNtmobileNode,
  type NtmobileNodeEngine,
} from '#engine/ntmobile/node/ntmobile-node.ts';
import { createResolver } from '#host/dns/resolver.ts';
import { LoginClient } from '#host/login/login-client.ts';
import { randomBytes } from '#host/process/random.ts';
import type { ClockPort, EventSink, LoginPort } from '#runtime/ports.ts';
import { daemonKey } from './daemon-key.ts';
import { HostNames } from './host-names.ts';
import type { NtmobileSettings } from './ntmobile-settings.ts';

export interface NtmobilePart {
  readonly engine: NtmobileNodeEngine;
  readonly login: LoginPort;
  readonly names: HostNames;
}

/** The parts of the daemon that NTMobile uses. */
interface NtmobileEnvironment {
  readonly daemon: DaemonSettings;
  readonly interfaces: NtmobileNodeConfiguration['interfaces'];
  readonly homes: MobileNodeConfiguration['homes'];
  readonly clock: ClockPort;
  readonly events: EventSink;
  /** The host's own addresses, without virtual ones. */
  readonly sources: () => readonly IpAddress[];
  /** Firewall mark that a kill switch demands; undefined: none. */
  readonly mark: () => number | undefined;
}

/**
 * Throws if the node's key cannot be read or made, and the host's error if the stub's port is not
 * available.
 */
export async function openNtmobile(
  settings: NtmobileSettings,
  environment: NtmobileEnvironment,
): Promise<NtmobilePart> {
  const { server, account, device, secret, node } = settings;
  const { daemon, interfaces, homes, clock, events, sources, mark } = environment;
  const { virtualIpv4Prefix } = node;
  const names = await HostNames.open({
    ...settings.names,
    daemon,
    virtualIpv4Prefix,
    sources,
    events,
  });
  const resolver = createResolver({ sources, mark, servers: () => names.servers() });
  const own = daemonKey(daemon);
  const wallMs = (): number => clock.now() + clock.offsetMs();
  const engine = createNtmobileNode(
    { ...node, own, interfaces, excludedAddresses: homeAddresses(homes) },
    randomBytes,
  );
  const login = new LoginClient({
    ...{ server, account, device, secret, own, resolver, sources, mark, wallMs },
    note: (event) => events.event(event, wallMs()),
  });
  return { engine, login, names };
}

function homeAddresses(homes: MobileNodeConfiguration['homes']): readonly IpAddress[] {
  return homes.flatMap(({ homeAddress, ipv4HomeAddress }): IpAddress[] =>
    ipv4HomeAddress === 'none' || ipv4HomeAddress === 'dynamic'
      ? [homeAddress]
      : [homeAddress, ipv4HomeAddress],
  );
}
