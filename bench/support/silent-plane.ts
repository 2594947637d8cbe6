import type { PlanePort } from '#runtime/ports.ts';

/** A data plane that does nothing, so that a benchmark measures only its caller. */
export class SilentPlane implements PlanePort {
  readonly features = {
    virtioHeader: false,
    tunSegmentation: false,
    tunUdpSegmentation: false,
    udpSegmentation: false,
    udpReceiveOffload: false,
  };
  readonly deviceIndex = 1;
  reopenDevice(): void {}
  renewUdpPort(): void {}
  tunnelSet(): void {}
  tunnelDelete(): void {}
  routeSet(): void {}
  routeDelete(): void {}
  sealingKeysSet(): void {}
  sealingKeysDelete(): void {}
  espKeysSet(): void {}
  espKeysDelete(): void {}
  espSequences(): readonly never[] {
    return [];
  }
  espSpiSet(): void {}
  espSpiDelete(): void {}
  relayLegSet(): void {}
  relayLegDelete(): void {}
  translationSet(): void {}
  translationDelete(): void {}
  overlaySet(): void {}
  overlayDelete(): void {}
  setLocalAddresses(): void {}
  handshakeCheckSet(): void {}
  ownSpisChange(): void {}
  registrationKeysSet(): void {}
  inject(): number {
    return 0;
  }
  counters(): Readonly<Record<string, number>> {
    return {};
  }
  tunnelCounters(): undefined {}
  relayLegCounters(): undefined {}
  tunnelTraffic(): readonly never[] {
    return [];
  }
  armTrafficNotice(): void {}
  onTraffic(): void {}
  onUnknownEndpoint(): void {}
  onPunt(): void {}
  onRoaming(): void {}
  close(): void {}
}
