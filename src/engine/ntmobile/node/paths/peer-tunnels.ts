/**
 * One tunnel to each peer, made of the keys of all paths to it and of the address of the best one.
 *
 * No RFC: docs/reference/ntmobile.md §3 (sealed data), §6
 */
import type { IpAddress } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import { type DesiredPart, describeTunnel } from '#engine/contract/desired-state.ts';
import type { Step } from '#engine/contract/engine.ts';
import { sealedTunnelPart } from '#engine/ntmobile/common/sealed-tunnel.ts';
import { establishedOf, type NodePaths, type PeerPaths, pathsWithKeys } from './node-paths.ts';
import type { PathReport } from './path-report.ts';

export class PeerTunnels {
  readonly #paths: NodePaths;
  readonly #report: PathReport;
  readonly #linkMtu: (remote: IpAddress) => number;

  constructor(paths: NodePaths, report: PathReport, linkMtu: (remote: IpAddress) => number) {
    this.#paths = paths;
    this.#report = report;
    this.#linkMtu = linkMtu;
  }

  /** Sets the tunnel to a peer as its paths are now; `id` is the peer's public key. */
  update(step: Step, id: string): void {
    const peer = this.#paths.peer(id);
    const part = peer === undefined ? undefined : this.#partOf(peer);
    step.out.push({ kind: 'set-desired', key: `ntmobile/node/${id}`, part });
    const [path] = peer === undefined ? [] : establishedOf(peer);
    if (peer === undefined) this.#report.ended(step, id);
    else if (path !== undefined) {
      const udpPath = path.udpPath();
      const kind = udpPath === undefined ? 'none' : udpPath.relayIndex === 0 ? 'direct' : 'relayed';
      this.#report.update(step, id, { name: path.peer.name, kind, udpPath });
    }
  }

  #partOf(peer: PeerPaths): DesiredPart | undefined {
    const paths = pathsWithKeys(peer);
    const [first] = paths;
    const udpPath = first?.udpPath() ?? first?.unconfirmedSession?.udpPath;
    if (first === undefined || udpPath === undefined) return undefined;
    const sessions = paths.flatMap(
      ({ session, unconfirmedSession }) => session ?? unconfirmedSession ?? [],
    );
    return sealedTunnelPart({
      ...{ id: peer.tunnel, udpPath, sessions, linkMtu: this.#linkMtu(udpPath.remote) },
      ...{ addresses: first.addresses, peer: true },
    });
  }

  /** For the operator: each peer, how data reaches it, and since when. */
  list(wallOf: (at: Monotonic) => number): readonly JsonObject[] {
    return [...this.#paths.peers()].flatMap((peer) => {
      const [path] = [...establishedOf(peer), ...peer.paths];
      if (path === undefined) return [];
      const { name, virtualIpv6, virtualIpv4 } = path.peer;
      return {
        ...{ name, virtualIpv6, virtualIpv4 },
        ...this.#report.view(peer.id, wallOf),
        roundTripMs: path.roundTripMs,
      };
    });
  }

  /** For the operator: the tunnels as the plane has them. */
  tunnels(): readonly JsonObject[] {
    const parts = [...this.#paths.peers()].map((peer) => ({
      part: this.#partOf(peer),
      peer: [...peer.paths][0]?.peer.name ?? '',
    }));
    return parts.flatMap(({ part, peer }) =>
      (part?.tunnels ?? []).map((tunnel) => ({ ...describeTunnel(tunnel), peer })),
    );
  }
}
