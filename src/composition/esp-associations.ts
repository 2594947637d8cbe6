/** ESP around an engine, with the associations of its configuration. */
import type { Change } from '#daemon/configuration/config-difference.ts';
import type { Engine, Step } from '#engine/contract/engine.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type {
  EspAssociation,
  EspConfiguration,
  EspEnd,
} from '#engine/mobile-ipv6/common/esp/association.ts';
import { ESP_UDP_PORT } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import { EspProtection } from '#engine/mobile-ipv6/common/esp/esp-protection.ts';
import { EspTunnels } from '#engine/mobile-ipv6/common/esp/esp-tunnels.ts';
import type { EspReason } from '#engine/mobile-ipv6/common/esp/reasons.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { randomBytes } from '#host/process/random.ts';

interface Counting {
  count(reason: EspReason): void;
}

type Homes = Pick<MobileNodeConfiguration, 'homes'>;
type Nodes = Pick<HomeAgentConfiguration, 'mobileNodes'>;

/** ESP of registrations, and around it ESP of data. */
interface Esp {
  around<I extends { readonly kind: string }>(
    engine: Engine<I | CommonInput>,
  ): Engine<I | CommonInput>;
  /** What the engine gave to `step` outside of its inputs, from the output `first` on. */
  follow(step: Step, first: number): void;
}

/** For a mobile node or router, whose homes stay while it runs. */
export function espOfHomes({ homes }: Homes, engine: Counting): Esp {
  const associations = homes.flatMap(({ esp, homeAddress }) =>
    esp === undefined ? [] : [{ ...esp, homeAddress }],
  );
  const { protection, tunnels } = partsOf('mobile-node', associations, engine);
  return espAround(protection, tunnels);
}

interface EspOwner {
  readonly esp?: EspConfiguration | undefined;
}

/** Whether the plane needs the port of ESP in UDP, and the engine the sequence numbers. */
export function hasEspData(owners: readonly EspOwner[]): boolean {
  return owners.some(({ esp }) => esp?.data !== undefined);
}

interface EspPortNeeds {
  readonly homeAgent: Pick<HomeAgentConfiguration, 'ipv4Addresses'> & {
    readonly mobileNodes: readonly EspOwner[];
  };
}

/** The port at which the plane of a home agent takes ESP in UDP; 0: none. */
export function homeAgentEspPort({
  homeAgent: { ipv4Addresses, mobileNodes },
}: EspPortNeeds): number {
  return ipv4Addresses.length > 0 && hasEspData(mobileNodes) ? ESP_UDP_PORT : 0;
}

/** The plane opens its ports once: the first node with `esp.data` needs a restart over IPv4. */
export function espPortChanges(started: EspPortNeeds, fresh: EspPortNeeds): readonly Change[] {
  if (homeAgentEspPort(started) !== 0 || homeAgentEspPort(fresh) === 0) return [];
  const at = fresh.homeAgent.mobileNodes.findIndex(({ esp }) => esp?.data !== undefined);
  return [
    {
      ...{ setting: `mobileNodes[${at}].esp.data`, old: undefined, new: 'over IPv4' },
      ...{ reloadable: true, why: `UDP port ${ESP_UDP_PORT} opens when the home agent starts` },
    },
  ];
}

/** For a home agent, whose nodes may change while it runs. */
export function espOfNodes(
  nodes: Nodes,
  engine: Counting,
): Esp & { reconfigure(step: Step, fresh: Nodes): void } {
  const { protection, tunnels } = partsOf('home-agent', associationsOf(nodes), engine);
  return {
    ...espAround(protection, tunnels),
    reconfigure(step, fresh) {
      const associations = associationsOf(fresh);
      protection.reconfigure(step, associations);
      tunnels.reconfigure(step, associations);
    },
  };
}

function espAround(protection: EspProtection, tunnels: EspTunnels): Esp {
  return {
    around: (engine) => tunnels.around(protection.around(engine)),
    follow: (step, first) => tunnels.follow(step, first),
  };
}

/** The configuration gives a node with `esp` exactly one home address. */
function associationsOf({ mobileNodes }: Nodes): readonly EspAssociation[] {
  return mobileNodes.flatMap(({ esp, homeAddresses }) =>
    esp === undefined ? [] : homeAddresses.map((homeAddress) => ({ ...esp, homeAddress })),
  );
}

function partsOf(
  end: EspEnd,
  associations: readonly EspAssociation[],
  engine: Counting,
): { readonly protection: EspProtection; readonly tunnels: EspTunnels } {
  const count = (reason: EspReason): void => engine.count(reason);
  const options = { end, associations, random: randomBytes, count };
  return { protection: new EspProtection(options), tunnels: new EspTunnels(options) };
}
