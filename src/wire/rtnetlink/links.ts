/**
 * rtnetlink bodies of links, addresses and neighbours.
 *
 * RFC 3549 §3.1, §3.2 (link, address); Linux if_link.h, if_addr.h, neighbour.h
 * Left out: attributes that the types below do not name (skipped).
 *
 *   ifinfomsg |family 8|pad 8|type 16|index 32|flags 32|change 32|
 *   ifaddrmsg |family 8|prefix length 8|flags 8|scope 8|index 32|
 *   ndmsg     |family 8|pad 24|index 32|state 16|flags 8|type 8|
 */
import { addressToBytes, familyOf, type IpAddress } from '#base/ip.ts';
import {
  familyOfNumber,
  type NetlinkReader,
  type NetlinkWriter,
  numberOfFamily,
} from './layout.ts';

/**
 * `flags` and `changeMask` are IFF_* bits; a request changes only those in the mask. Octet strings
 * are copies.
 */
export interface RtnetlinkLink {
  readonly index: number;
  readonly flags: number;
  readonly changeMask: number;
  /** ARPHRD_*: 1 Ethernet, 772 loopback, 65534 TUN. */
  readonly hardwareType: number;
  readonly name?: string | undefined;
  readonly mtu?: number | undefined;
  readonly address?: Uint8Array | undefined;
  readonly operationalState?: number | undefined;
  readonly carrier?: boolean | undefined;
  /** How often the carrier was gained: a short loss is not always reported by itself. */
  readonly carrierUpCount?: number | undefined;
  readonly masterIndex?: number | undefined;
  readonly kind?: string | undefined;
  /** The routing table of a link of kind `vrf`. */
  readonly vrfTable?: number | undefined;
}

/** `flags` are IFA_F_* bits; lifetimes are in seconds, 0xffffffff means infinite. */
export interface RtnetlinkAddress {
  readonly interfaceIndex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly scope: number;
  readonly flags: number;
  /** The other end of a point-to-point address. */
  readonly peer?: IpAddress | undefined;
  readonly label?: string | undefined;
  readonly preferredLifetimeSeconds?: number | undefined;
  readonly validLifetimeSeconds?: number | undefined;
  /** IFA_PROTO, the origin: 1 loopback, 2 router advertisement, 3 link-local. */
  readonly protocol?: number | undefined;
}

/** `state` NUD_*, `flags` NTF_*: an entry with the proxy flag answers for `destination`. */
export interface RtnetlinkNeighbour {
  readonly interfaceIndex: number;
  readonly destination: IpAddress;
  readonly state: number;
  readonly flags: number;
  readonly linkLayerAddress?: Uint8Array | undefined;
  readonly protocol?: number | undefined;
}

const Ifla = {
  address: 1,
  name: 3,
  mtu: 4,
  master: 10,
  operationalState: 16,
  info: 18,
  carrier: 33,
  carrierUpCount: 47,
} as const;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_VRF_TABLE = 1;
const Ifa = { address: 1, local: 2, label: 3, cacheInfo: 6, flags: 8, protocol: 11 } as const;
const Nda = { destination: 1, linkLayerAddress: 2, protocol: 12 } as const;

/** Undefined for a family's view of a link (bridge ports, IPv6 device settings). */
export function parseLink(body: NetlinkReader): RtnetlinkLink | undefined {
  const [family, hardwareType, index, flags, changeMask] = [
    body.u8(0),
    body.u16(2),
    body.i32(4),
    body.u32(8),
    body.u32(12),
  ];
  if (family !== 0) return undefined;
  const found: { -readonly [K in keyof RtnetlinkLink]: RtnetlinkLink[K] } = {
    index,
    flags,
    changeMask,
    hardwareType,
  };
  body.attributes(16, (type, value) => {
    if (type === Ifla.name) found.name = value.text();
    else if (type === Ifla.mtu) found.mtu = value.u32(0);
    else if (type === Ifla.carrierUpCount) found.carrierUpCount = value.u32(0);
    else if (type === Ifla.address) found.address = value.copy(0, value.length);
    else if (type === Ifla.operationalState) found.operationalState = value.u8(0);
    else if (type === Ifla.carrier) found.carrier = value.u8(0) !== 0;
    else if (type === Ifla.master) found.masterIndex = value.u32(0);
    else if (type === Ifla.info) {
      value.attributes(0, (infoType, info) => {
        if (infoType === IFLA_INFO_KIND) found.kind = info.text();
        if (infoType !== IFLA_INFO_DATA || found.kind !== 'vrf') return;
        info.attributes(0, (dataType, data) => {
          if (dataType === IFLA_VRF_TABLE) found.vrfTable = data.u32(0);
        });
      });
    }
  });
  return found;
}

export function writeLink(link: RtnetlinkLink, writer: NetlinkWriter): void {
  writer.u16(0);
  writer.u16(link.hardwareType);
  writer.u32(link.index);
  writer.u32(link.flags);
  writer.u32(link.changeMask);
  writer.textAttribute(Ifla.name, link.name);
  writer.u32Attribute(Ifla.mtu, link.mtu);
  writer.u32Attribute(Ifla.carrierUpCount, link.carrierUpCount);
  writer.bytesAttribute(Ifla.address, link.address);
  writer.u8Attribute(Ifla.operationalState, link.operationalState);
  writer.u8Attribute(Ifla.carrier, link.carrier === undefined ? undefined : Number(link.carrier));
  writer.u32Attribute(Ifla.master, link.masterIndex);
  const { kind, vrfTable } = link;
  if (kind === undefined) return;
  writer.attribute(Ifla.info, () => {
    writer.textAttribute(IFLA_INFO_KIND, kind);
    if (vrfTable !== undefined)
      writer.attribute(IFLA_INFO_DATA, () => writer.u32Attribute(IFLA_VRF_TABLE, vrfTable));
  });
}

/** Undefined for families other than IP. */
export function parseAddress(body: NetlinkReader): RtnetlinkAddress | undefined {
  const [prefixLength, headerFlags, scope, interfaceIndex] = [
    body.u8(1),
    body.u8(2),
    body.u8(3),
    body.u32(4),
  ];
  let flags = headerFlags;
  let address: IpAddress | undefined;
  let local: IpAddress | undefined;
  const found: { -readonly [K in keyof RtnetlinkAddress]?: RtnetlinkAddress[K] } = {};
  body.attributes(8, (type, value) => {
    if (type === Ifa.address) address = value.ip();
    else if (type === Ifa.local) local = value.ip();
    else if (type === Ifa.flags) flags = value.u32(0);
    else if (type === Ifa.label) found.label = value.text();
    else if (type === Ifa.protocol) found.protocol = value.u8(0);
    else if (type === Ifa.cacheInfo) {
      found.preferredLifetimeSeconds = value.u32(0);
      found.validLifetimeSeconds = value.u32(4);
    }
  });
  const own = local ?? address;
  if (own === undefined || familyOfNumber(body.u8(0)) !== familyOf(own)) return undefined;
  if (local !== undefined && address !== undefined && address !== local) found.peer = address;
  return { ...found, interfaceIndex, address: own, prefixLength, scope, flags };
}

export function writeAddress(address: RtnetlinkAddress, writer: NetlinkWriter): void {
  writer.u8(numberOfFamily(familyOf(address.address)));
  writer.u8(address.prefixLength);
  writer.u8(address.flags & 0xff);
  writer.u8(address.scope);
  writer.u32(address.interfaceIndex);
  writer.bytesAttribute(Ifa.local, addressToBytes(address.address));
  writer.bytesAttribute(Ifa.address, addressToBytes(address.peer ?? address.address));
  writer.u32Attribute(Ifa.flags, address.flags);
  writer.textAttribute(Ifa.label, address.label);
  const { preferredLifetimeSeconds, validLifetimeSeconds } = address;
  if (preferredLifetimeSeconds !== undefined && validLifetimeSeconds !== undefined) {
    writer.attribute(Ifa.cacheInfo, () => {
      writer.u32(preferredLifetimeSeconds);
      writer.u32(validLifetimeSeconds);
      writer.u32(0);
      writer.u32(0);
    });
  }
  writer.u8Attribute(Ifa.protocol, address.protocol);
}

/** Undefined for families other than IP. */
export function parseNeighbour(body: NetlinkReader): RtnetlinkNeighbour | undefined {
  const [interfaceIndex, state, flags] = [body.u32(4), body.u16(8), body.u8(10)];
  const found: { -readonly [K in keyof RtnetlinkNeighbour]?: RtnetlinkNeighbour[K] } = {};
  const ofIp = familyOfNumber(body.u8(0)) !== undefined;
  let destination: IpAddress | undefined;
  body.attributes(12, (type, value) => {
    if (type === Nda.destination && ofIp) destination = value.ip();
    else if (type === Nda.linkLayerAddress) found.linkLayerAddress = value.copy(0, value.length);
    else if (type === Nda.protocol) found.protocol = value.u8(0);
  });
  if (destination === undefined || familyOfNumber(body.u8(0)) !== familyOf(destination))
    return undefined;
  return { ...found, interfaceIndex, destination, state, flags };
}

export function writeNeighbour(neighbour: RtnetlinkNeighbour, writer: NetlinkWriter): void {
  writer.u8(numberOfFamily(familyOf(neighbour.destination)));
  writer.u8(0);
  writer.u16(0);
  writer.u32(neighbour.interfaceIndex);
  writer.u16(neighbour.state);
  writer.u8(neighbour.flags);
  writer.u8(0);
  writer.bytesAttribute(Nda.destination, addressToBytes(neighbour.destination));
  writer.bytesAttribute(Nda.linkLayerAddress, neighbour.linkLayerAddress);
  writer.u8Attribute(Nda.protocol, neighbour.protocol);
}
