/**
 * The registry of desired state: one row for each kind.
 *
 * A new kind needs:
 *
 * 1. its type, and a line in `DesiredItems` (engine/contract/desired-state.ts);
 * 2. a row here, which the compiler then asks for;
 * 3. the methods of its port in ports.ts, and in the port's fakes;
 * 4. the implementation: native/src for the plane, host/kernel for the kernel.
 *
 * Driver, reconciler and the TypeScript side of the native plane name no kind.
 */
import { equalBytes } from '#base/bytes.ts';
import { formatPrefix, isIpv6, type Prefix } from '#base/ip.ts';
import type { DesiredItems, DesiredRule } from '#engine/contract/desired-state.ts';
import type { DesiredEspKeys } from '#engine/contract/esp.ts';
import type { SealingKey } from '#engine/contract/ntmobile.ts';
import type { OuterPath } from '#engine/contract/outer-path.ts';
import type { DesiredKind, ItemKey } from './desired-state-table.ts';
import type {
  AddressMapPort,
  HostResolverPort,
  InnerAddressPort,
  InternetAccessPort,
  KernelPort,
  KillSwitchPort,
  NodeGroupsPort,
  PlanePort,
} from './ports.ts';

/** Everything that desired state is applied to. */
export interface HostPorts {
  readonly kernel: KernelPort;
  readonly plane: PlanePort;
  readonly addressMaps: AddressMapPort;
  readonly killSwitch: KillSwitchPort;
  readonly innerAddresses: InnerAddressPort;
  readonly internetAccess: InternetAccessPort;
  readonly nodeGroups: NodeGroupsPort;
  readonly hostResolver: HostResolverPort;
}

/** The port that applies a kind: decides what `Reconciler` does at shutdown and after a loss. */
export type KindOwner = keyof HostPorts;

type Row<V> = DesiredKind<V, HostPorts> & { readonly owner: KindOwner };

/**
 * The rows, in the order in which a step adds them; it removes in the reverse order.
 *
 * - The kill switch first: nothing leaves before it is closed, and it is the last to open.
 * - Keys, then tunnels, then the routes into them: no packet enters a tunnel without keys.
 * - Addresses, routes, rules: a route may name an address as its source.
 * - Sysctls last: the host forwards nothing before the rules that confine forwarding exist, and
 *   none of these rules is removed while the host still forwards.
 */
export const DESIRED_STATE_KINDS: { readonly [K in keyof DesiredItems]: Row<DesiredItems[K]> } = {
  /** There is one. */
  killSwitches: {
    name: 'kill-switch',
    owner: 'killSwitch',
    keyOf: ({ mark }) => mark,
    equal: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    apply: ({ killSwitch }, desired) => killSwitch.set(desired),
    remove: ({ killSwitch }, applied) => killSwitch.release(applied),
  },
  localNetworks: {
    name: 'local-network',
    owner: 'killSwitch',
    keyOf: ({ device, prefix }) => `${device} ${keyOfPrefix(prefix)}`,
    equal: () => true,
    apply: ({ killSwitch }, network) => killSwitch.allowNetwork(network),
    remove: ({ killSwitch }, network) => killSwitch.disallowNetwork(network),
  },
  /** Before the addresses exist. */
  innerPrefixes: {
    name: 'inner-prefix',
    owner: 'innerAddresses',
    keyOf: ({ prefix }) => keyOfPrefix(prefix),
    equal: (a, b) => a.homeLink === b.homeLink,
    apply: ({ innerAddresses }, prefix) => innerAddresses.protect(prefix),
    remove: ({ innerAddresses }, prefix) => innerAddresses.release(prefix),
  },
  /** An operator sees only the id of the tunnel. */
  sealingKeys: {
    name: 'sealing-keys',
    owner: 'plane',
    keyOf: (keys) => keys.tunnel,
    equal: (a, b) =>
      sameSealingKey(a.send, b.send) &&
      a.receive.length === b.receive.length &&
      a.receive.every((key, at) => sameSealingKey(key, b.receive[at])),
    apply: ({ plane }, keys) => plane.sealingKeysSet(keys),
    remove: ({ plane }, keys) => plane.sealingKeysDelete(keys.tunnel),
  },
  /** An operator sees only the id of the tunnel. */
  espKeys: {
    name: 'esp-keys',
    owner: 'plane',
    keyOf: ({ tunnel }) => tunnel,
    equal: sameEspKeys,
    apply: ({ plane }, keys) => plane.espKeysSet(keys),
    remove: ({ plane }, { tunnel }) => plane.espKeysDelete(tunnel),
  },
  espSpis: {
    name: 'esp-spi',
    owner: 'plane',
    keyOf: ({ spi }) => spi,
    equal: () => true,
    apply: ({ plane }, { spi }) => plane.espSpiSet(spi),
    remove: ({ plane }, { spi }) => plane.espSpiDelete(spi),
  },
  tunnels: {
    name: 'tunnel',
    owner: 'plane',
    keyOf: (tunnel) => tunnel.id,
    equal: (a, b) =>
      a.protection === b.protection &&
      a.esp?.algorithm === b.esp?.algorithm &&
      a.mtu === b.mtu &&
      samePath(a.path, b.path),
    apply: ({ plane }, tunnel) => plane.tunnelSet(tunnel),
    remove: ({ plane }, tunnel) => plane.tunnelDelete(tunnel.id),
  },
  overlays: {
    name: 'overlay',
    owner: 'plane',
    keyOf: ({ prefix }) => keyOfPrefix(prefix),
    equal: (a, b) => a.address === b.address,
    apply: ({ plane }, overlay) => plane.overlaySet(overlay),
    remove: ({ plane }, overlay) => plane.overlayDelete(overlay),
  },
  planeRoutes: {
    name: 'plane-route',
    owner: 'plane',
    keyOf: ({ prefix }) => keyOfPrefix(prefix),
    equal: (a, b) => a.tunnel === b.tunnel && (a.peer ?? false) === (b.peer ?? false),
    apply: ({ plane }, route) => plane.routeSet(route),
    remove: ({ plane }, route) => plane.routeDelete(route),
  },
  relayLegs: {
    name: 'relay-leg',
    owner: 'plane',
    keyOf: (leg) => leg.index,
    equal: (a, b) =>
      a.other === b.other && a.rateKilobits === b.rateKilobits && samePath(a.path, b.path),
    apply: ({ plane }, leg) => plane.relayLegSet(leg),
    remove: ({ plane }, leg) => plane.relayLegDelete(leg.index),
  },
  translations: {
    name: 'translation',
    owner: 'plane',
    keyOf: ({ side, inner }) => `${side} ${inner}`,
    equal: (a, b) => a.outer === b.outer,
    apply({ plane }, translation, applied) {
      // The plane also looks up by outer address: the former one must not be found any more.
      if (applied !== undefined && applied.outer !== translation.outer)
        plane.translationDelete(applied);
      plane.translationSet(translation);
    },
    remove: ({ plane }, translation) => plane.translationDelete(translation),
  },
  addressMaps: {
    name: 'address-map',
    owner: 'addressMaps',
    keyOf: (map) => map.virtual,
    equal: (a, b) => a.real === b.real,
    apply: ({ addressMaps }, map) => addressMaps.set(map),
    remove: ({ addressMaps }, map) => addressMaps.delete(map),
  },
  addresses: {
    name: 'address',
    owner: 'kernel',
    // The kernel has one IPv4 address twice with two prefix lengths, but an IPv6 address once.
    keyOf: ({ device, address, prefixLength }) =>
      isIpv6(address) ? `${device} ${address}` : `${device} ${address}/${prefixLength}`,
    equal: (a, b) =>
      a.prefixLength === b.prefixLength &&
      a.noDad === b.noDad &&
      (a.noPrefixRoute ?? false) === (b.noPrefixRoute ?? false) &&
      (a.deprecated ?? false) === (b.deprecated ?? false),
    apply({ kernel }, address, applied) {
      // The kernel changes lifetimes and flags in place, but not the prefix length.
      if (applied !== undefined && applied.prefixLength !== address.prefixLength)
        kernel.deleteAddress(applied);
      kernel.addAddress(address);
    },
    remove: ({ kernel }, address) => kernel.deleteAddress(address),
  },
  routes: {
    name: 'route',
    owner: 'kernel',
    keyOf: ({ destination, table, metric = 0 }) =>
      `${formatPrefix(destination)} table ${table} metric ${metric}`,
    equal: (a, b) =>
      (a.type ?? 'unicast') === (b.type ?? 'unicast') &&
      a.device === b.device &&
      a.gateway === b.gateway &&
      a.source === b.source &&
      (a.mtu ?? 0) === (b.mtu ?? 0),
    apply: ({ kernel }, route) => kernel.addRoute(route),
    remove: ({ kernel }, route) => kernel.deleteRoute(route),
  },
  rules: {
    name: 'rule',
    owner: 'kernel',
    // The key has every field, so that a changed rule is another rule.
    keyOf: ruleText,
    equal: () => true,
    apply: ({ kernel }, rule) => kernel.addRule(rule),
    remove: ({ kernel }, rule) => kernel.deleteRule(rule),
  },
  proxyNeighbours: {
    name: 'proxy-neighbour',
    owner: 'kernel',
    keyOf: ({ device, address }) => `${device} ${address}`,
    equal: () => true,
    apply: ({ kernel }, neighbour) => kernel.addProxyNeighbour(neighbour),
    remove: ({ kernel }, neighbour) => kernel.deleteProxyNeighbour(neighbour),
  },
  groupMembers: {
    name: 'group-member',
    owner: 'nodeGroups',
    keyOf: ({ prefix }) => keyOfPrefix(prefix),
    equal: (a, b) => a.group === b.group,
    apply({ nodeGroups }, member, applied) {
      if (applied !== undefined) nodeGroups.dismiss(applied);
      nodeGroups.admit(member);
    },
    remove: ({ nodeGroups }, member) => nodeGroups.dismiss(member),
  },
  masquerades: {
    name: 'masquerade',
    owner: 'internetAccess',
    keyOf: ({ source }) => keyOfPrefix(source),
    equal: () => true,
    apply: ({ internetAccess }, { source }) => internetAccess.masquerade(source),
    remove: ({ internetAccess }, { source }) => internetAccess.endMasquerade(source),
  },
  nameServers: {
    name: 'name-servers',
    owner: 'hostResolver',
    keyOf: () => 'host',
    equal: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    apply: ({ hostResolver }, desired) => hostResolver.use(desired),
    remove: ({ hostResolver }) => hostResolver.restore(),
  },
  sysctls: {
    name: 'sysctl',
    owner: 'kernel',
    keyOf: (sysctl) => sysctl.path,
    equal: (a, b) => a.value === b.value,
    apply: ({ kernel }, sysctl) => kernel.setSysctl(sysctl),
    remove: ({ kernel }, sysctl) => kernel.restoreSysctl(sysctl.path),
  },
};

/** A host route is known by its address alone, because that text exists already. */
function keyOfPrefix(prefix: Prefix): ItemKey {
  const width = isIpv6(prefix.address) ? 128 : 32;
  return prefix.length === width ? prefix.address : formatPrefix(prefix);
}

function samePath(a: OuterPath, b: OuterPath): boolean {
  return (
    a.carrier === b.carrier &&
    a.local === b.local &&
    a.localPort === b.localPort &&
    a.remote === b.remote &&
    a.remotePort === b.remotePort &&
    (a.relayIndex ?? 0) === (b.relayIndex ?? 0) &&
    (a.validated ?? true) === (b.validated ?? true) &&
    a.amplificationLimit?.number === b.amplificationLimit?.number &&
    a.amplificationLimit?.creditOctets === b.amplificationLimit?.creditOctets
  );
}

function sameEspKeys(a: DesiredEspKeys, b: DesiredEspKeys): boolean {
  return (
    a.algorithm === b.algorithm &&
    a.extendedSequenceNumbers === b.extendedSequenceNumbers &&
    sameEspKey(a.receive, b.receive) &&
    a.receive.after === b.receive.after &&
    a.send?.epoch === b.send?.epoch &&
    a.send?.from === b.send?.from &&
    a.send?.until === b.send?.until &&
    (a.send === undefined || b.send === undefined || sameEspKey(a.send, b.send))
  );
}

function sameEspKey(a: DesiredEspKeys['receive' | 'send'] & {}, b: typeof a): boolean {
  return a.spi === b.spi && equalBytes(a.key, b.key);
}

function sameSealingKey(a: SealingKey | undefined, b: SealingKey | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a === b || (a.spi === b.spi && a.cipher === b.cipher && equalBytes(a.key, b.key));
}

function ruleText(rule: DesiredRule): string {
  const { target } = rule;
  const action = target === undefined ? `table ${rule.table}` : `goto ${target}`;
  const words = [`v${rule.family} ${rule.priority} ${action}`];
  if (rule.invert === true) words.push('not');
  if (rule.from !== undefined) words.push(`from ${formatPrefix(rule.from)}`);
  if (rule.to !== undefined) words.push(`to ${formatPrefix(rule.to)}`);
  if (rule.mark !== undefined) words.push(`mark ${rule.mark.value}/${rule.mark.mask}`);
  if (rule.suppressPrefixLength !== undefined) words.push(`suppress ${rule.suppressPrefixLength}`);
  if (rule.inputDevice !== undefined) words.push(`iif ${rule.inputDevice}`);
  return words.join(' ');
}
