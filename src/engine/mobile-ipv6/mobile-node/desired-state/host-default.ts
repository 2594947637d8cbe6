/**
 * The default route of the host's own packets, where routers of a link that was left come before
 * the present one in the main table.
 *
 * The kernel keeps a default route until its lifetime ends, and tries routers of equal metric in
 * turn: a router that was left costs seconds before Neighbour Unreachability Detection gives it up.
 * Nothing of the host is changed. A route of a smaller metric by the present router is added, and
 * withdrawn as soon as none of a left link comes before it.
 *
 * RFC 6275 §11.5.4  the primary care-of address and the present default router
 * RFC 6724 §5       the kernel would also choose addresses of the left link as source
 */
import { type IpAddress, isGlobalUnicast, isIpv6 } from '#base/ip.ts';
import type {
  DefaultRouter,
  InterfaceAddress,
  NetworkInterface,
} from '#engine/common/network-interface.ts';
import type { DesiredPart, DesiredRoute } from '#engine/contract/desired-state.ts';
import { DEFAULT, type HomeState, homeAddressesOf, MAIN_TABLE } from './home-state.ts';

interface Uplink {
  readonly link: NetworkInterface;
  readonly router: DefaultRouter;
}

/** The part 'host-default'; undefined if the main table is right. */
export function hostDefaultPart(
  homes: readonly HomeState[],
  interfaces: readonly NetworkInterface[],
): DesiredPart | undefined {
  const routes = ([6, 4] as const).flatMap((family) => hostDefault(family, homes, interfaces));
  return routes.length === 0 ? undefined : { routes };
}

function hostDefault(
  family: 4 | 6,
  homes: readonly HomeState[],
  interfaces: readonly NetworkInterface[],
): readonly DesiredRoute[] {
  const uplinks = interfaces.flatMap((link) =>
    link.routers
      .filter((router) => router.family === family && router.source === undefined)
      .map((router): Uplink => ({ link, router })),
  );
  const [present] = uplinks
    .filter(({ link, router }) => link.running && router.epoch === link.epoch)
    .sort((a, b) => a.router.metric - b.router.metric);
  if (present === undefined) return [];
  const { link, router } = present;
  const left = uplinks.filter(
    (one) => !one.link.running || (one.link === link && one.router.epoch !== link.epoch),
  );
  const before = left.filter((one) => one.router.metric <= router.metric);
  const leftAddress = link.addresses.some(
    ({ address, epoch }) =>
      isIpv6(address) && family === 6 && isGlobalUnicast(address) && epoch !== link.epoch,
  );
  if (before.length === 0 && !leftAddress) return [];
  const metric = Math.min(router.metric, ...before.map((one) => one.router.metric)) - 1;
  // The smallest metric; a smaller one is another number to the kernel.
  if (metric < 1) return [];
  const { gateway } = router;
  const source = sourceOf(family, homes, link);
  return [
    {
      ...{ destination: DEFAULT[family], table: MAIN_TABLE, device: link.name, metric },
      ...(gateway === undefined ? {} : { gateway }),
      ...(source === undefined ? {} : { source }),
    },
  ];
}

/** The home address at home, and the care-of address elsewhere, as soon as the kernel takes it. */
function sourceOf(
  family: 4 | 6,
  homes: readonly HomeState[],
  link: NetworkInterface,
): IpAddress | undefined {
  for (const state of homes) {
    const { homeLink, careOf } = state;
    if (homeLink?.device === link.name && homeLink.noDad) return addressOf(state, family);
    if (careOf?.family === family && careOf.device === link.name) {
      const entry = link.addresses.find(({ address }) => address === careOf.address);
      if (entry !== undefined && isSettled(entry, link.epoch)) return careOf.address;
    }
  }
  return undefined;
}

function addressOf(state: HomeState, family: 4 | 6): IpAddress | undefined {
  return homeAddressesOf(state).find((address) => isIpv6(address) === (family === 6));
}

/** The kernel refuses a route whose source is in duplicate address detection. */
function isSettled({ epoch, tentative, optimistic }: InterfaceAddress, now: number): boolean {
  return epoch === now && !tentative && optimistic !== true;
}
