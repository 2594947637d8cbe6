import { formatPrefix, type IpAddress } from '#base/ip.ts';
import type { DesiredPlaneRoute, DesiredTunnel } from '#engine/contract/desired-state.ts';
import type { DesiredEspKeys, EspSequences } from '#engine/contract/esp.ts';
import type {
  DesiredOverlay,
  DesiredRelayLeg,
  DesiredSealingKeys,
  DesiredTranslation,
} from '#engine/contract/ntmobile.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type {
  PlanePort,
  Punt,
  RoamingNotice,
  TunnelTraffic,
  UnknownEndpointNotice,
} from '#runtime/ports.ts';

/** A plane's tables in memory. `log` has every call in order; a fake kernel may share it. */
export class FakePlane implements PlanePort {
  readonly features = {
    virtioHeader: false,
    tunSegmentation: false,
    tunUdpSegmentation: false,
    udpSegmentation: false,
    udpReceiveOffload: false,
  };
  readonly deviceIndex = 99;
  readonly tunnels = new Map<number, DesiredTunnel>();
  readonly routes = new Map<string, number>();
  readonly sealingKeys = new Map<number, DesiredSealingKeys>();
  readonly espKeys = new Map<number, DesiredEspKeys>();
  readonly espSpis = new Set<number>();
  readonly relayLegs = new Map<number, DesiredRelayLeg>();
  readonly translations = new Map<string, DesiredTranslation>();
  readonly overlays = new Map<string, DesiredOverlay>();
  readonly sent: { readonly path: PacketPath; readonly packet: Uint8Array }[] = [];
  readonly log: string[];
  localAddresses: readonly IpAddress[] = [];
  /** The result of `inject`. */
  injectErrno = 0;
  closed = false;
  #handler: ((punt: Punt) => void) | undefined;
  #roaming: ((notice: RoamingNotice) => void) | undefined;
  #traffic: (() => void) | undefined;
  #unknown: ((notice: UnknownEndpointNotice) => void) | undefined;
  readonly #carried = new Map<number, TunnelTraffic>();
  /** The next packet calls the handler of `onTraffic`. */
  armed = false;

  constructor(log: string[] = []) {
    this.log = log;
  }

  reopenDevice(): void {
    this.log.push('device');
  }

  renewUdpPort(): void {
    this.log.push('UDP port');
  }

  handshakeCheckSet(): void {
    this.log.push('handshake check');
  }

  ownSpisChange(): void {}

  registrationKeysSet(): void {
    this.log.push('registration keys');
  }

  tunnelSet(tunnel: DesiredTunnel): void {
    this.log.push(`tunnel ${tunnel.id} → ${tunnel.path.remote}`);
    this.tunnels.set(tunnel.id, tunnel);
  }

  tunnelDelete(id: number): void {
    this.log.push(`no tunnel ${id}`);
    this.tunnels.delete(id);
  }

  espKeysSet(keys: DesiredEspKeys): void {
    this.log.push(`ESP keys ${keys.tunnel}: send ${keys.send?.spi}, receive ${keys.receive.spi}`);
    this.espKeys.set(keys.tunnel, keys);
  }

  espKeysDelete(tunnel: number): void {
    this.log.push(`no ESP keys ${tunnel}`);
    this.espKeys.delete(tunnel);
  }

  espSequences(): readonly EspSequences[] {
    return [];
  }

  espSpiSet(spi: number): void {
    this.log.push(`ESP ${spi}`);
    this.espSpis.add(spi);
  }

  espSpiDelete(spi: number): void {
    this.log.push(`no ESP ${spi}`);
    this.espSpis.delete(spi);
  }

  routeSet(route: DesiredPlaneRoute): void {
    this.log.push(`plane ${formatPrefix(route.prefix)} → ${route.tunnel}`);
    this.routes.set(formatPrefix(route.prefix), route.tunnel);
  }

  routeDelete(route: DesiredPlaneRoute): void {
    this.log.push(`no plane ${formatPrefix(route.prefix)}`);
    this.routes.delete(formatPrefix(route.prefix));
  }

  sealingKeysSet(keys: DesiredSealingKeys): void {
    const spis = keys.receive.map(({ spi }) => spi);
    this.log.push(`keys ${keys.tunnel}: send ${keys.send?.spi}, receive ${spis.join(' ')}`);
    this.sealingKeys.set(keys.tunnel, keys);
  }

  sealingKeysDelete(tunnel: number): void {
    this.log.push(`no keys ${tunnel}`);
    this.sealingKeys.delete(tunnel);
  }

  relayLegSet(leg: DesiredRelayLeg): void {
    this.log.push(`leg ${leg.index} → ${leg.other}`);
    this.relayLegs.set(leg.index, leg);
  }

  relayLegDelete(index: number): void {
    this.log.push(`no leg ${index}`);
    this.relayLegs.delete(index);
  }

  translationSet(translation: DesiredTranslation): void {
    const { side, inner, outer } = translation;
    this.log.push(`${side} ${inner} ↔ ${outer}`);
    this.translations.set(`${side} ${inner}`, translation);
  }

  translationDelete({ side, inner }: DesiredTranslation): void {
    this.log.push(`no ${side} ${inner}`);
    this.translations.delete(`${side} ${inner}`);
  }

  overlaySet(overlay: DesiredOverlay): void {
    this.log.push(`overlay ${formatPrefix(overlay.prefix)}`);
    this.overlays.set(formatPrefix(overlay.prefix), overlay);
  }

  overlayDelete({ prefix }: DesiredOverlay): void {
    this.log.push(`no overlay ${formatPrefix(prefix)}`);
    this.overlays.delete(formatPrefix(prefix));
  }

  setLocalAddresses(addresses: readonly IpAddress[]): void {
    this.localAddresses = addresses;
  }

  inject(path: PacketPath, packet: Uint8Array): number {
    this.log.push(`send ${path.kind} ${packet.length}`);
    if (this.injectErrno === 0) this.sent.push({ path, packet });
    return this.injectErrno;
  }

  counters(): Readonly<Record<string, number>> {
    return { injected: this.sent.length };
  }

  tunnelCounters(id: number): Readonly<Record<string, number>> | undefined {
    return this.tunnels.has(id) ? { packetsIn: 0, packetsOut: 0 } : undefined;
  }

  relayLegCounters(index: number): Readonly<Record<string, number>> | undefined {
    return this.relayLegs.has(index) ? { packetsIn: 0, packetsOut: 0 } : undefined;
  }

  onPunt(handler: (punt: Punt) => void): void {
    this.#handler = handler;
  }

  onRoaming(handler: (notice: RoamingNotice) => void): void {
    this.#roaming = handler;
  }

  tunnelTraffic(): readonly TunnelTraffic[] {
    return [...this.tunnels.keys()].map((id) => this.#carriedBy(id));
  }

  armTrafficNotice(): void {
    this.armed = true;
  }

  onTraffic(handler: () => void): void {
    this.#traffic = handler;
  }

  onUnknownEndpoint(handler: (notice: UnknownEndpointNotice) => void): void {
    this.#unknown = handler;
  }

  /** A packet arrives from an endpoint without tunnel. */
  meetUnknown(notice: UnknownEndpointNotice): void {
    this.#unknown?.(notice);
  }

  /** The tunnel carries packets. */
  carry(tunnel: number, { transmitted = 0, received = 0 }: Partial<TunnelTraffic>): void {
    const before = this.#carriedBy(tunnel);
    this.#carried.set(tunnel, {
      tunnel,
      transmitted: before.transmitted + transmitted,
      received: before.received + received,
    });
    if (!this.armed) return;
    this.armed = false;
    this.#traffic?.();
  }

  #carriedBy(tunnel: number): TunnelTraffic {
    return this.#carried.get(tunnel) ?? { tunnel, transmitted: 0, received: 0 };
  }

  /** A packet of a tunnel arrives from another endpoint. */
  roam(notice: RoamingNotice): void {
    this.#roaming?.(notice);
  }

  /** A control packet arrives. */
  punt(packet: Uint8Array, path: PacketPath = { kind: 'ipv6' }): void {
    this.#handler?.({ path, packet });
  }

  close(): void {
    this.closed = true;
    this.log.push('plane closed');
  }
}
