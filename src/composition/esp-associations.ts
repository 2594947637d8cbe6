/** ESP around an engine, with the associations of its configuration. */
import type { Step } from '#engine/contract/engine.ts';
import type { EspAssociation, EspEnd } from '#engine/mobile-ipv6/common/esp/association.ts';
import { EspProtection } from '#engine/mobile-ipv6/common/esp/esp-protection.ts';
import type { EspReason } from '#engine/mobile-ipv6/common/esp/reasons.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { randomBytes } from '#host/process/random.ts';

interface Counting {
  count(reason: EspReason): void;
}

type Homes = Pick<MobileNodeConfiguration, 'homes'>;
type Nodes = Pick<HomeAgentConfiguration, 'mobileNodes'>;

/** For a mobile node or router, whose homes stay while it runs. */
export function espOfHomes({ homes }: Homes, engine: Counting): EspProtection {
  const associations = homes.flatMap(({ esp, homeAddress }) =>
    esp === undefined ? [] : [{ ...esp, homeAddress }],
  );
  return protectionOf('mobile-node', associations, engine);
}

/** For a home agent, whose nodes may change while it runs. */
export function espOfNodes(
  nodes: Nodes,
  engine: Counting,
): { readonly protection: EspProtection; reconfigure(step: Step, fresh: Nodes): void } {
  const protection = protectionOf('home-agent', associationsOf(nodes), engine);
  return {
    protection,
    reconfigure: (step, fresh) => protection.reconfigure(step, associationsOf(fresh)),
  };
}

/** The configuration gives a node with `esp` exactly one home address. */
function associationsOf({ mobileNodes }: Nodes): readonly EspAssociation[] {
  return mobileNodes.flatMap(({ esp, homeAddresses }) =>
    esp === undefined ? [] : homeAddresses.map((homeAddress) => ({ ...esp, homeAddress })),
  );
}

function protectionOf(
  end: EspEnd,
  associations: readonly EspAssociation[],
  engine: Counting,
): EspProtection {
  const count = (reason: EspReason): void => engine.count(reason);
  return new EspProtection({ end, associations, random: randomBytes, count });
}
