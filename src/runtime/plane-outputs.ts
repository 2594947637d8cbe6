/** Outputs that change how the plane receives, beside the desired state. */
import type { Output } from '#engine/contract/output.ts';
import { isHostError } from './host-error.ts';
import type { PlanePort } from './ports.ts';

type PlaneOutput = Extract<Output, { kind: 'handshake-check' | 'own-spis' | 'renew-udp-port' }>;

/** Returns the counters that grow. */
export function applyToPlane(plane: PlanePort, output: PlaneOutput): readonly string[] {
  switch (output.kind) {
    case 'handshake-check':
      plane.handshakeCheckSet(output.check);
      return [];
    case 'own-spis':
      plane.ownSpisChange(output.added, output.removed);
      return [];
    case 'renew-udp-port':
      return [renewUdpPort(plane) ? 'udp-port-renewed' : 'udp-port-refused'];
  }
}

/** False when the host gives no other port; the former one stays in use. */
function renewUdpPort(plane: PlanePort): boolean {
  try {
    plane.renewUdpPort();
    return true;
  } catch (error) {
    if (isHostError(error)) return false;
    throw error;
  }
}
