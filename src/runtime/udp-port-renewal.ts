/** A change of the plane's port for UDP tunnels. */
import { isHostError } from './host-error.ts';
import type { PlanePort } from './ports.ts';

/** False when the host gives no other port; the former one stays in use. */
export function renewUdpPort(plane: PlanePort): boolean {
  try {
    plane.renewUdpPort();
    return true;
  } catch (error) {
    if (isHostError(error)) return false;
    throw error;
  }
}
