/**
 * The SPIs that a responder or initiator receives under, for the plane: it drops control datagrams
 * under other SPIs before they cost the engine anything.
 *
 * No RFC: docs/reference/ntmobile.md §3 (SPI)
 */
import type { Step } from '#engine/contract/engine.ts';

export class OwnSpis {
  /** Changes that the plane does not know: whether the SPI is in use. */
  readonly #changes = new Map<number, boolean>();

  add(spi: number): void {
    this.#changes.set(spi, true);
  }

  remove(spi: number): void {
    this.#changes.set(spi, false);
  }

  /** Comes before the datagram that tells a peer the SPI. */
  tell({ out }: Step): void {
    if (this.#changes.size === 0) return;
    const added: number[] = [];
    const removed: number[] = [];
    for (const [spi, used] of this.#changes) (used ? added : removed).push(spi);
    this.#changes.clear();
    out.push({ kind: 'own-spis', added, removed });
  }
}
