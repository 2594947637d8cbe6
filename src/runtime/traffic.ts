/** What the plane counted of the tunnels and legs that an engine lists. */
import type { JsonObject } from '#base/json.ts';
import type { PlanePort } from './ports.ts';

type Counters = Readonly<Record<string, number>>;

/** By the command that lists them: where the plane has the counters of one. */
export const TRAFFIC: Readonly<
  Record<string, (plane: PlanePort, listed: JsonObject) => Counters | undefined>
> = {
  tunnels: (plane, { id }) => (typeof id === 'number' ? plane.tunnelCounters(id) : undefined),
  legs: (plane, { index }) =>
    typeof index === 'number' ? plane.relayLegCounters(index) : undefined,
};

/** Each of `list` with its `traffic`, where there is any. */
export function withTraffic(
  list: readonly JsonObject[],
  trafficOf: (listed: JsonObject) => Counters | undefined,
): readonly JsonObject[] {
  return list.map((listed) => {
    const traffic = trafficOf(listed);
    return traffic === undefined ? listed : { ...listed, traffic };
  });
}
