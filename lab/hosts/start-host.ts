import type { HostKind, HostLocation, HostNetworking } from './host-networking.ts';
import { KernelHost } from './kernel-host.ts';
import { NetworkManagerHost } from './network-manager-host.ts';
import { NetworkdHost } from './networkd-host.ts';

/** The networking of a node of that kind, not yet started. */
export function hostNetworking(kind: HostKind, location: HostLocation): HostNetworking {
  if (kind === 'networkmanager') return new NetworkManagerHost(location);
  if (kind === 'networkd') return new NetworkdHost(location);
  return new KernelHost(location, kind === 'flush');
}
