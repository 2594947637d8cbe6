/**
 * One host's end of a tunnel, for plane.test.ts: opens a plane in its namespace and executes
 * requests from standard input, one JSON object on each line.
 * `{"id":1,"call":"counters","arguments":[]}` is answered by `{"id":1,"value":…}`; punts are
 * printed when they occur.
 */
import { createInterface } from 'node:readline';
import { fromHex, hex } from '#base/bytes.ts';
import type { DesiredPlaneRoute, DesiredTunnel } from '#engine/contract/desired-state.ts';
import type {
  DesiredOverlay,
  DesiredRelayLeg,
  DesiredSealingKeys,
  DesiredTranslation,
  SealingKey,
} from '#engine/contract/ntmobile.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { openPlane } from '#host/plane/plane.ts';
import type { PlaneOptions } from '#runtime/ports.ts';

/** Keys in hexadecimal digits. */
export interface Keys {
  readonly tunnel: number;
  readonly send?: HexKey;
  readonly receive: readonly HexKey[];
}
export interface HexKey extends Omit<SealingKey, 'key'> {
  readonly key: string;
}

function keyOf({ key, ...rest }: HexKey): SealingKey {
  return { ...rest, key: fromHex(key) };
}

function associationsOf({ tunnel, send, receive }: Keys): DesiredSealingKeys {
  return { tunnel, ...(send && { send: keyOf(send) }), receive: receive.map(keyOf) };
}

interface Request {
  readonly id: number;
  readonly tunnelSet?: DesiredTunnel;
  readonly routeSet?: DesiredPlaneRoute;
  readonly routeDelete?: DesiredPlaneRoute;
  readonly overlaySet?: DesiredOverlay;
  readonly overlayDelete?: DesiredOverlay;
  readonly translationSet?: DesiredTranslation;
  readonly translationDelete?: DesiredTranslation;
  readonly tunnelDelete?: number;
  readonly relayLegSet?: DesiredRelayLeg;
  readonly relayLegDelete?: number;
  readonly associationsSet?: Keys;
  readonly associationsDelete?: number;
  readonly inject?: { readonly path: PacketPath; readonly packet: string };
  readonly tunnelCounters?: number;
  readonly armTrafficNotice?: true;
  readonly relayLegCounters?: number;
  /** Exits with this code without closing the plane. */
  readonly exit?: number;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const options: PlaneOptions = JSON.parse(process.argv[2] ?? '');
const plane = openPlane(options);
plane.onPunt(({ path, packet }) => print({ punt: { path, packet: hex(packet) } }));
plane.onRoaming((roaming) => print({ roaming }));
plane.onUnknownEndpoint((unknownEndpoint) => print({ unknownEndpoint }));
plane.onTraffic(() => print({ traffic: plane.tunnelTraffic() }));
print({ features: plane.features });

function perform(request: Request): void {
  if (request.armTrafficNotice === true) plane.armTrafficNotice();
  if (request.overlaySet !== undefined) plane.overlaySet(request.overlaySet);
  if (request.overlayDelete !== undefined) plane.overlayDelete(request.overlayDelete);
  if (request.translationSet !== undefined) plane.translationSet(request.translationSet);
  if (request.translationDelete !== undefined) plane.translationDelete(request.translationDelete);
  if (request.associationsSet !== undefined)
    plane.sealingKeysSet(associationsOf(request.associationsSet));
  if (request.associationsDelete !== undefined) plane.sealingKeysDelete(request.associationsDelete);
  if (request.tunnelSet !== undefined) plane.tunnelSet(request.tunnelSet);
  if (request.routeSet !== undefined) plane.routeSet(request.routeSet);
  if (request.routeDelete !== undefined) plane.routeDelete(request.routeDelete);
  if (request.tunnelDelete !== undefined) plane.tunnelDelete(request.tunnelDelete);
  if (request.relayLegSet !== undefined) plane.relayLegSet(request.relayLegSet);
  if (request.relayLegDelete !== undefined) plane.relayLegDelete(request.relayLegDelete);
}

for await (const line of createInterface(process.stdin)) {
  const request: Request = JSON.parse(line);
  if (request.exit !== undefined) process.exit(request.exit);
  perform(request);
  const { inject } = request;
  print({
    id: request.id,
    injected: inject === undefined ? 0 : plane.inject(inject.path, fromHex(inject.packet)),
    counters: plane.counters(),
    tunnel:
      request.tunnelCounters === undefined
        ? undefined
        : plane.tunnelCounters(request.tunnelCounters),
    leg:
      request.relayLegCounters === undefined
        ? undefined
        : plane.relayLegCounters(request.relayLegCounters),
  });
}
plane.close();
