/** Random sequences of networks, reproducible by a seed. */
import type { NetworkName } from './network.ts';
import { ALL_NETWORKS } from './networks.ts';

/** Numbers from 0 to 1, the same for the same seed. */
export function* numbersFrom(seed: number): Generator<number, never> {
  for (let state = seed >>> 0; ; ) {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    yield ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** Random networks of the lab, each different from the one before; the first is not `home`. */
export function* randomNetworks(seed: number): Generator<NetworkName, never> {
  const numbers = numbersFrom(seed);
  for (let here: NetworkName = 'home'; ; ) {
    const others = ALL_NETWORKS.filter((name) => name !== here);
    here = others[Math.floor(numbers.next().value * others.length)] ?? 'home';
    yield here;
  }
}
