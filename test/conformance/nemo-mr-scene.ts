/**
 * A mobile router under test: the mobile node's scene with a network behind it, and the desired
 * state of its host.
 */
import { assert } from '#base/assert.ts';
import { ipv6, parsePrefix } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import {
  type DesiredPart,
  type DesiredRoute,
  type DesiredRule,
  type DesiredSysctl,
  describeTunnel,
} from '#engine/contract/desired-state.ts';
import type { Output } from '#engine/contract/output.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { MobileNodeInput } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import type {
  MobileRouterConfiguration,
  RouterHome,
} from '#engine/mobile-ipv6/mobile-router/configuration.ts';
import { createMobileRouter } from '#engine/mobile-ipv6/mobile-router/mobile-router.ts';
import { HOME, Scene } from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import type { LinkSketch } from '#test/unit/engine/mobile-ipv6/mobile-node/network-sketch.ts';

const network = parsePrefix('2001:db8:500::/64');
assert(network !== undefined, 'a prefix');
export const NETWORK = network;
const INGRESS_ADDRESS = ipv6('2001:db8:500::1');
export const INGRESS: LinkSketch = {
  name: 'lan0',
  index: 9,
  addresses: [`${INGRESS_ADDRESS}/64`],
  routers: [],
};

const ROUTER_HOME: RouterHome = {
  ...HOME,
  ipv4HomeAddress: 'none',
  mobileNetworkPrefixes: [NETWORK],
  registrationModes: ['explicit'],
};

export class RouterScene extends Scene {
  readonly desiredParts = new Map<string, DesiredPart>();

  constructor(
    changes: Partial<RouterHome> = {},
    common: Partial<MobileNodeConfiguration> & Pick<MobileRouterConfiguration, 'forwarding'> = {},
    records: readonly { readonly key: string; readonly value: JsonValue }[] = [],
  ) {
    const mobileNetworks = [
      { device: 'lan0', addresses: [{ address: INGRESS_ADDRESS, prefixLength: 64 }] },
    ];
    super(common, records, (configuration, random) =>
      createMobileRouter(
        { ...configuration, homes: [{ ...ROUTER_HOME, ...changes }], mobileNetworks },
        random,
      ),
    );
  }

  override give(input: MobileNodeInput): readonly Output[] {
    const out = super.give(input);
    for (const output of out) {
      if (output.kind !== 'set-desired') continue;
      if (output.part === undefined) this.desiredParts.delete(output.key);
      else this.desiredParts.set(output.key, output.part);
    }
    return out;
  }

  /** The packets sent in the last step. */
  sent(): readonly Extract<Output, { kind: 'send' }>[] {
    return this.out.filter((output) => output.kind === 'send');
  }

  get rules(): readonly DesiredRule[] {
    return [...this.desiredParts.values()].flatMap(({ rules = [] }) => rules);
  }

  get routes(): readonly DesiredRoute[] {
    return [...this.desiredParts.values()].flatMap(({ routes = [] }) => routes);
  }

  /** The value that a sysctl of an interface should have. */
  setting(device: string, name: string): string | undefined {
    const path = `net/ipv6/conf/${device}/${name}`;
    const sysctls = [...this.desiredParts.values()].flatMap(
      (part): readonly DesiredSysctl[] => part.sysctls ?? [],
    );
    return sysctls.find((sysctl) => sysctl.path === path)?.value;
  }

  tunnels() {
    return [...this.desiredParts.values()].flatMap(({ tunnels = [] }) =>
      tunnels.map(describeTunnel),
    );
  }

  planeRoutes() {
    return [...this.desiredParts.values()].flatMap(({ planeRoutes = [] }) => planeRoutes);
  }

  phase(): unknown {
    return this.request('status');
  }
}
