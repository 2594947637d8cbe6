/**
 * Relations between the `esp` sections of one configuration.
 *
 * RFC 4301 §4.1  the SPI alone names the association of a received packet
 * RFC 4106 §2    a key that two associations share would repeat initialization vectors
 */
import { hex } from '#base/bytes.ts';
import type { Report } from '#daemon/configuration/config-fields.ts';

interface DirectionParts {
  readonly spi?: number | undefined;
  readonly key?: Uint8Array | string | undefined;
}

interface PairParts {
  readonly toHomeAgent?: DirectionParts | undefined;
  readonly toMobileNode?: DirectionParts | undefined;
}

/** Undefined stands for an absent or faulty part. */
export interface EspParts extends PairParts {
  readonly data?: PairParts | undefined;
}

/** Reports SPIs and keys that two sections share. `path` leads to each. */
export function checkEspSections(
  sections: readonly { readonly esp: EspParts; readonly path: readonly (string | number)[] }[],
  receives: keyof PairParts,
  report: Report,
): void {
  const spis = new Set<number>();
  const keys = new Set<string>();
  const pairs = sections.flatMap(({ esp, path }) => [
    { esp, path },
    ...(esp.data === undefined ? [] : [{ esp: esp.data, path: [...path, 'data'] }]),
  ]);
  for (const { esp, path } of pairs) {
    const spi = esp[receives]?.spi;
    if (spi !== undefined && spis.has(spi))
      report(`SPI ${spi} is given twice`, 'give each association its own', [
        ...[...path, receives],
        'spi',
      ]);
    if (spi !== undefined) spis.add(spi);
    for (const direction of ['toHomeAgent', 'toMobileNode'] as const) {
      const key = esp[direction]?.key;
      if (!(key instanceof Uint8Array)) continue;
      if (keys.has(hex(key)))
        report('another association has the same key', 'make a key for each', [...path, direction]);
      keys.add(hex(key));
    }
  }
}
