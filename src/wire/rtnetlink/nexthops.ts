/**
 * rtnetlink bodies of nexthop objects, which routes name by an id.
 *
 * No RFC: Linux include/uapi/linux/nexthop.h
 * Left out: attributes that the type below does not name (skipped); weights.
 *
 *   nhmsg |family 8|scope 8|protocol 8|reserved 8|flags 32|
 *   group |id 32|weight 8|weight high 8|reserved 16|
 */
import { addressToBytes, familyOf, type IpAddress } from '#base/ip.ts';
import { type NetlinkReader, type NetlinkWriter, numberOfFamily } from './layout.ts';

/** Either a next hop, or a group of next hops. */
export interface RtnetlinkNexthop {
  readonly id: number;
  readonly scope: number;
  readonly protocol: number;
  readonly flags: number;
  readonly interfaceIndex?: number | undefined;
  readonly gateway?: IpAddress | undefined;
  /** Ids of the members. */
  readonly group?: readonly number[] | undefined;
}

const Nha = { id: 1, group: 2, outputInterface: 5, gateway: 6 } as const;
const GROUP_ENTRY_SIZE = 8;

export function parseNexthop(body: NetlinkReader): RtnetlinkNexthop {
  const found: { -readonly [K in keyof RtnetlinkNexthop]: RtnetlinkNexthop[K] } = {
    id: 0,
    scope: body.u8(1),
    protocol: body.u8(2),
    flags: body.u32(4),
  };
  body.attributes(8, (type, value) => {
    if (type === Nha.id) found.id = value.u32(0);
    else if (type === Nha.outputInterface) found.interfaceIndex = value.u32(0);
    else if (type === Nha.gateway) found.gateway = value.ip();
    else if (type === Nha.group) {
      const group: number[] = [];
      for (let at = 0; at + GROUP_ENTRY_SIZE <= value.length; at += GROUP_ENTRY_SIZE)
        group.push(value.u32(at));
      found.group = group;
    }
  });
  return found;
}

export function writeNexthop(nexthop: RtnetlinkNexthop, writer: NetlinkWriter): void {
  const { gateway, group } = nexthop;
  writer.u8(gateway === undefined ? 0 : numberOfFamily(familyOf(gateway)));
  writer.u8(nexthop.scope);
  writer.u8(nexthop.protocol);
  writer.u8(0);
  writer.u32(nexthop.flags);
  writer.u32Attribute(Nha.id, nexthop.id);
  if (group !== undefined)
    writer.attribute(Nha.group, () => {
      for (const id of group) {
        writer.u32(id);
        writer.u32(0);
      }
    });
  writer.u32Attribute(Nha.outputInterface, nexthop.interfaceIndex);
  if (gateway !== undefined) writer.bytesAttribute(Nha.gateway, addressToBytes(gateway));
}
