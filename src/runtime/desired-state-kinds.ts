import { formatPrefix, isIpv6, type Prefix } from '#base/ip.ts';
import type {
  DesiredAddress,
  DesiredPlaneRoute,
  DesiredProxyNeighbour,
  DesiredRoute,
  DesiredRule,
  DesiredSysctl,
  DesiredTunnel,
} from '#engine/contract/desired-state.ts';
import type {
  DesiredAddressMap,
  DesiredOverlay,
  DesiredRelayLeg,
  DesiredSealingKeys,
  DesiredTranslation,
  SealingKey,
} from '#engine/contract/ntmobile.ts';
import type { OuterPath } from '#engine/contract/outer-path.ts';
import type { DesiredKind, Identity } from './desired-state-table.ts';
import type { AddressMapPort, KernelPort, PlanePort } from './ports.ts';

export function tunnelKind(plane: PlanePort): DesiredKind<DesiredTunnel> {
  return {
    name: 'tunnel',
    identify: (tunnel) => tunnel.id,
    equal: (a, b) => a.protection === b.protection && a.mtu === b.mtu && samePath(a.path, b.path),
    apply: (tunnel) => plane.tunnelSet(tunnel),
    remove: (tunnel) => plane.tunnelDelete(tunnel.id),
  };
}

/** Only its tunnel's number is ever shown. */
export function sealingKeysKind(plane: PlanePort): DesiredKind<DesiredSealingKeys> {
  return {
    name: 'security-associations',
    identify: (associations) => associations.tunnel,
    equal: (a, b) =>
      sameKey(a.send, b.send) &&
      a.receive.length === b.receive.length &&
      a.receive.every((key, at) => sameKey(key, b.receive[at])),
    apply: (associations) => plane.sealingKeysSet(associations),
    remove: (associations) => plane.sealingKeysDelete(associations.tunnel),
  };
}

function sameKey(a: SealingKey | undefined, b: SealingKey | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.spi === b.spi &&
    a.cipher === b.cipher &&
    a.key.length === b.key.length &&
    a.key.every((octet, at) => octet === b.key[at])
  );
}

export function planeRouteKind(plane: PlanePort): DesiredKind<DesiredPlaneRoute> {
  return {
    name: 'plane-route',
    identify: (route) => identityOfPrefix(route.prefix),
    equal: (a, b) => a.tunnel === b.tunnel && (a.peer ?? false) === (b.peer ?? false),
    apply: (route) => plane.routeSet(route),
    remove: (route) => plane.routeDelete(route),
  };
}

/** The prefix as text; of a single address only that, because its text is there already. */
function identityOfPrefix(prefix: Prefix): Identity {
  const width = isIpv6(prefix.address) ? 128 : 32;
  return prefix.length === width ? prefix.address : formatPrefix(prefix);
}

export function relayLegKind(plane: PlanePort): DesiredKind<DesiredRelayLeg> {
  return {
    name: 'relay-leg',
    identify: (leg) => leg.index,
    equal: (a, b) =>
      a.other === b.other && a.rateKilobits === b.rateKilobits && samePath(a.path, b.path),
    apply: (leg) => plane.relayLegSet(leg),
    remove: (leg) => plane.relayLegDelete(leg.index),
  };
}

export function translationKind(plane: PlanePort): DesiredKind<DesiredTranslation> {
  return {
    name: 'translation',
    identify: ({ side, inner }) => `${side} ${inner}`,
    equal: (a, b) => a.outer === b.outer,
    apply(translation, previous) {
      // An address has one counterpart each way: the former one must not be found any more.
      if (previous !== undefined && previous.outer !== translation.outer)
        plane.translationDelete(previous);
      plane.translationSet(translation);
    },
    remove: (translation) => plane.translationDelete(translation),
  };
}

export function overlayKind(plane: PlanePort): DesiredKind<DesiredOverlay> {
  return {
    name: 'overlay',
    identify: ({ prefix }) => identityOfPrefix(prefix),
    equal: (a, b) => a.address === b.address,
    apply: (overlay) => plane.overlaySet(overlay),
    remove: (overlay) => plane.overlayDelete(overlay),
  };
}

export function addressMapKind(maps: AddressMapPort): DesiredKind<DesiredAddressMap> {
  return {
    name: 'address-map',
    identify: (map) => map.virtual,
    equal: (a, b) => a.real === b.real,
    apply: (map) => maps.set(map),
    remove: (map) => maps.delete(map),
  };
}

export function sysctlKind(kernel: KernelPort): DesiredKind<DesiredSysctl> {
  return {
    name: 'sysctl',
    identify: (sysctl) => sysctl.path,
    equal: (a, b) => a.value === b.value,
    apply: (sysctl) => kernel.setSysctl(sysctl),
    remove: (sysctl) => kernel.restoreSysctl(sysctl.path),
  };
}

export function addressKind(kernel: KernelPort): DesiredKind<DesiredAddress> {
  return {
    name: 'address',
    // IPv4 keeps one address with two prefix lengths apart, IPv6 does not.
    identify: (value) =>
      isIpv6(value.address)
        ? `${value.device} ${value.address}`
        : `${value.device} ${value.address}/${value.prefixLength}`,
    equal: (a, b) =>
      a.prefixLength === b.prefixLength &&
      a.noDad === b.noDad &&
      (a.noPrefixRoute ?? false) === (b.noPrefixRoute ?? false) &&
      (a.deprecated ?? false) === (b.deprecated ?? false),
    apply(value, previous) {
      // The kernel changes lifetimes and flags in place, but not the prefix length.
      if (previous !== undefined && previous.prefixLength !== value.prefixLength)
        kernel.deleteAddress(previous);
      kernel.addAddress(value);
    },
    remove: (value) => kernel.deleteAddress(value),
  };
}

export function routeKind(kernel: KernelPort): DesiredKind<DesiredRoute> {
  return {
    name: 'route',
    identify: (route) =>
      `${formatPrefix(route.destination)} table ${route.table} metric ${route.metric ?? 0}`,
    equal: (a, b) =>
      (a.type ?? 'unicast') === (b.type ?? 'unicast') &&
      a.device === b.device &&
      a.gateway === b.gateway &&
      a.source === b.source &&
      (a.mtu ?? 0) === (b.mtu ?? 0),
    apply: (route) => kernel.addRoute(route),
    remove: (route) => kernel.deleteRoute(route),
  };
}

export function ruleKind(kernel: KernelPort): DesiredKind<DesiredRule> {
  return {
    name: 'rule',
    identify: ruleText,
    equal: () => true,
    apply: (rule) => kernel.addRule(rule),
    remove: (rule) => kernel.deleteRule(rule),
  };
}

function ruleText(rule: DesiredRule): string {
  const words = [`v${rule.family} ${rule.priority} table ${rule.table}`];
  if (rule.invert === true) words.push('not');
  if (rule.from !== undefined) words.push(`from ${formatPrefix(rule.from)}`);
  if (rule.to !== undefined) words.push(`to ${formatPrefix(rule.to)}`);
  if (rule.mark !== undefined) words.push(`mark ${rule.mark.value}/${rule.mark.mask}`);
  if (rule.suppressPrefixLength !== undefined) words.push(`suppress ${rule.suppressPrefixLength}`);
  if (rule.inputDevice !== undefined) words.push(`iif ${rule.inputDevice}`);
  return words.join(' ');
}

export function proxyNeighbourKind(kernel: KernelPort): DesiredKind<DesiredProxyNeighbour> {
  return {
    name: 'proxy-neighbour',
    identify: (neighbour) => `${neighbour.device} ${neighbour.address}`,
    equal: () => true,
    apply: (neighbour) => kernel.addProxyNeighbour(neighbour),
    remove: (neighbour) => kernel.deleteProxyNeighbour(neighbour),
  };
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
