/**
 * Forwarding settings of a mobile router, in the order in which they have to be made.
 *
 * RFC 3963 §5.6, §5.7  on a visited link the egress interface is a host's: it accepts router
 *                      advertisements and is no member of all-routers
 * RFC 3963 §5.8        on the home link it may be a router's
 *
 * The kernel forwards IPv4 by the interface that a packet comes in by, so only those interfaces are
 * set; it forwards IPv6 everywhere or nowhere. Redirects stay on: the kernel sends one only if a
 * packet leaves by the link that it came by, which happens among the hosts and routers of one
 * mobile network, and at home, and there it is correct.
 */
import { type DesiredSysctl, TUN_DEVICE } from '#engine/contract/desired-state.ts';
import type { MobileRouterConfiguration } from '#engine/mobile-ipv6/mobile-router/configuration.ts';
import { homeLinkDevices, networkDevices, type RoutingInput } from './routing-input.ts';

export function forwardingSettings(input: RoutingInput): readonly DesiredSysctl[] {
  return input.family === 6 ? ipv6Forwarding(input) : ipv4Forwarding(input);
}

const setting = (device: string, name: string): string => `net/ipv6/conf/${device}/${name}`;

/**
 * When forwarding starts, the kernel removes routes and addresses of router advertisements from
 * every interface whose accept_ra is not 2. An interface whose advertisements another program
 * receives (accept_ra 0) is not changed. Writing `all` changes all other interfaces, so theirs
 * follow. Where the settings cannot be written, they are only checked: an egress interface may
 * forward as long as it accepts router advertisements.
 */
function ipv6Forwarding(input: RoutingInput): readonly DesiredSysctl[] {
  const control = input.configuration.forwarding ?? 'everywhere';
  const networks = networkDevices(input);
  return [
    ...input.egress.map(({ name }) => ({
      path: setting(name, 'accept_ra'),
      value: '2',
      onlyIfCurrently: '1',
    })),
    // A host of the mobile network must not configure its router.
    ...(control === 'given'
      ? []
      : networks.map((device) => ({ path: setting(device, 'accept_ra'), value: '0' }))),
    ...enabledForwarding(input, control),
    ...networks.map((device) => ({ path: setting(device, 'forwarding'), value: '1' })),
    ...(control === 'given' ? [] : egressForwarding(input)),
  ];
}

/**
 * If the kernel can forward by interface, `all` stays as it is. With `all` the kernel takes the
 * host for a router everywhere, which disables optimistic addresses (RFC 4429) on the egress
 * interfaces and costs each move a second.
 */
function enabledForwarding(
  input: RoutingInput,
  control: NonNullable<MobileRouterConfiguration['forwarding']>,
): readonly DesiredSysctl[] {
  if (control === 'by-interface')
    return [...networkDevices(input), TUN_DEVICE, ...homeLinkDevices(input.homeStates)].map(
      (name) => ({ path: setting(name, 'force_forwarding'), value: '1' }),
    );
  const all = { path: setting('all', 'forwarding'), value: '1' };
  // Interfaces that appear later have the settings of a host until their role is known.
  return control === 'everywhere'
    ? [all, { path: setting('default', 'forwarding'), value: '0' }]
    : [all];
}

function egressForwarding({ egress, homeStates }: RoutingInput): readonly DesiredSysctl[] {
  const atHome = homeLinkDevices(homeStates);
  return egress.map(({ name }) => ({
    path: setting(name, 'forwarding'),
    value: atHome.has(name) ? '1' : '0',
  }));
}

function ipv4Forwarding(input: RoutingInput): readonly DesiredSysctl[] {
  return [...networkDevices(input), TUN_DEVICE, ...homeLinkDevices(input.homeStates)].map(
    (device) => ({ path: `net/ipv4/conf/${device}/forwarding`, value: '1' }),
  );
}
