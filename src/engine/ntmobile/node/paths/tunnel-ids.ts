/** Ids of a node's tunnels in the plane. No RFC: the plane is shared with Mobile IPv6. */

/** Mobile IPv6 in the same daemon uses the lower numbers. */
const FIRST_TUNNEL = 0x4000_0000;

export class TunnelIds {
  #next = FIRST_TUNNEL;

  allocate(): number {
    this.#next += 1;
    return this.#next;
  }
}
