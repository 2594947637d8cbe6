/** How long a node's knowledge of other nodes counts. docs/reference/ntmobile.md §2.1, §8. */
import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import { KnownCredentials } from '#engine/ntmobile/node/known-credentials.ts';
import { PeerValidity } from '#engine/ntmobile/node/paths/peer-validity.ts';
import type { PeerNode } from '#engine/ntmobile/node/peer-node.ts';

const peer = (changes: Partial<PeerNode> = {}): PeerNode => ({
  ...{ publicKey: new Uint8Array(32).fill(1), name: 'b.nodes.example', groups: [] },
  ...{ virtualIpv6: ipv6('fd12:3456:789a::1'), virtualIpv4: ipv4('198.18.0.1') },
  ...{ notBefore: 1_000n, notAfter: 4_600n },
  ...changes,
});

describe('the credentials that a node knows', () => {
  it('replace older ones of the same name or address with another key', () => {
    const known = new KnownCredentials();
    const other = { publicKey: new Uint8Array(32).fill(2) };
    expect(known.accept(peer())).toBe(true);
    expect(known.accept(peer({ ...other, notBefore: 999n }))).toBe(false);
    expect(known.accept(peer({ ...other, notBefore: 1_000n }))).toBe(false);
    const sameAddress = { name: 'c.nodes.example', virtualIpv4: ipv4('198.18.0.9') };
    expect(known.accept(peer({ ...other, ...sameAddress, notBefore: 999n }))).toBe(false);
    expect(known.accept(peer({ ...other, notBefore: 1_001n }))).toBe(true);
    expect(known.accept(peer())).toBe(false);
  });

  it('include an older one of the same node that says the same', () => {
    const known = new KnownCredentials();
    expect(known.accept(peer())).toBe(true);
    expect(known.accept(peer({ notBefore: 900n, notAfter: 4_500n }))).toBe(true);
    expect(known.accept(peer({ notBefore: 900n, groups: ['former'] }))).toBe(false);
  });
});

describe('a path', () => {
  const OFFSET_MS = 0;
  const at = (seconds: number) => monotonic(seconds * 1000);
  function scene(initiator: boolean) {
    const validity = new PeerValidity();
    validity.setClockOffset(OFFSET_MS);
    return { validity, path: { peer: peer(), initiator } };
  }

  it('asks once for a new credential before the known one ends, as the initiator alone', () => {
    const { validity, path } = scene(true);
    expect(validity.deadline([path])).toBe(at(4_301));
    expect(validity.takeDue(at(4_301), [path])).toEqual({ expired: [], ending: [path] });
    expect(validity.takeDue(at(4_302), [path])).toEqual({ expired: [], ending: [] });
    const responder = scene(false);
    expect(responder.validity.takeDue(at(4_600), [responder.path]).ending).toEqual([]);
  });

  it('ends with the credential of its peer unless a newer one was shown', () => {
    const { validity, path } = scene(false);
    expect(validity.takeDue(at(4_600), [path]).expired).toEqual([]);
    expect(validity.takeDue(at(4_601), [path]).expired).toEqual([path]);
    validity.renewed(path, peer({ notBefore: 900n, notAfter: 9_000n }));
    expect(validity.takeDue(at(4_601), [path]).expired).toEqual([path]);
    validity.renewed(path, peer({ notBefore: 4_000n, notAfter: 7_600n }));
    expect(validity.takeDue(at(4_601), [path]).expired).toEqual([]);
  });
});
