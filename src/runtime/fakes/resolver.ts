import type { IpAddress } from '#base/ip.ts';
import type { ResolverPort } from '#runtime/ports.ts';

/** Answers from a map; every other name does not exist. */
export class FakeResolver implements ResolverPort {
  readonly names = new Map<string, readonly IpAddress[]>();
  queries = 0;

  resolve(name: string): ReturnType<ResolverPort['resolve']> {
    this.queries++;
    const addresses = this.names.get(name);
    return Promise.resolve(
      addresses === undefined
        ? { addresses: [], failure: 'NXDOMAIN', noSuchName: true }
        : { addresses },
    );
  }
}
