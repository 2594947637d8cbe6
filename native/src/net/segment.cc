#include "net/segment.h"

#include "net/checksum.h"

namespace sojourn {
namespace {

constexpr u8 kTcpFin = 0x01;
constexpr u8 kTcpPush = 0x08;
constexpr u8 kTcpCwr = 0x80;

// The offset of the transport header; 0: the packet cannot be segmented.
u32 transportStart(const PacketView& view, u8 protocol) {
  if (view.fragment) return 0;
  if (view.protocol == protocol) return view.headerLength;
  if (view.family == 4) return 0;
  const ChainEnd end = walkChain(view.data, view.length);
  // If the routing header has segments left, the pseudo-header's destination is not that of the IP
  // header. The plane never makes such super-packets.
  return end.malformed || end.fragment || end.routing || end.protocol != protocol ? 0 : end.offset;
}

bool typeFits(u8 gsoType, u8 family) {
  return gsoType == kGsoUdp || gsoType == (family == 6 ? kGsoTcp6 : kGsoTcp4);
}

u32 transportLength(const PacketView& view, u32 at, u8 protocol) {
  if (protocol == kProtocolUdp) return kUdpHeader;
  return at + 20 <= view.length ? (view.data[at + 12] >> 4) * 4u : 0;
}

// `out` is a copy of the super-packet's header.
void writeIpHeader(const PacketView& view, u32 total, u32 index, u8* out) {
  if (view.family == 6) {
    store16(out + 4, total - kIpv6Header);
    return;
  }
  store16(out + 2, total);
  store16(out + 4, load16(out + 4) + index);
  writeIpv4Checksum(out, view.headerLength);
}

void writeTcpFields(const SegmentPlan& plan, u32 index, u8* tcp) {
  store32(tcp + 4, load32(tcp + 4) + index * plan.segmentSize);
  if (index + 1 < plan.count) tcp[13] &= static_cast<u8>(~(kTcpFin | kTcpPush));
  // RFC 3168 §6.1.2: CWR reports one reduction of the window, so only the first segment carries it.
  if (index > 0) tcp[13] &= static_cast<u8>(~kTcpCwr);
}

// `original` is the super-packet's header, which `view` may have lost.
void writeHeader(const SegmentPlan& plan, const PacketView& view, const u8* original, u32 index,
                 u8* out) {
  const u32 length = segmentLength(plan, index);
  const u32 transport = plan.headerLength - plan.transportOffset;
  std::memcpy(out, original, plan.headerLength);
  writeIpHeader(view, plan.headerLength + length, index, out);
  u8* header = out + plan.transportOffset;
  const u32 checksumAt = plan.protocol == kProtocolUdp ? 6 : 16;
  if (plan.protocol == kProtocolUdp) {
    store16(header + 4, kUdpHeader + length);
  } else {
    writeTcpFields(plan, index, header);
  }
  storeRaw16(header + checksumAt, 0);
  u64 sum = pseudoHeaderSum(out, view.family, plan.protocol, transport + length);
  sum = checksumAddShort(header, transport, sum);
  const u16 checksum =
      checksumFinish(checksumAdd(view.data + segmentOffset(plan, index), length, sum));
  storeRaw16(header + checksumAt,
             plan.protocol == kProtocolUdp && checksum == 0 ? 0xffff : checksum);
}

}  // namespace

bool planSegments(const VirtioHeader& virtio, const PacketView& view, size_t mtu,
                  SegmentPlan& plan) {
  const u8 type = virtio.gsoType & static_cast<u8>(~kGsoEcn);
  plan.lowered = false;
  if (!typeFits(type, view.family)) return false;
  plan.protocol = type == kGsoUdp ? kProtocolUdp : kProtocolTcp;
  const u32 start = transportStart(view, plan.protocol);
  if (start == 0 || start != virtio.checksumStart) return false;
  const u32 transport = transportLength(view, start, plan.protocol);
  const u32 header = start + transport;
  if (transport < kUdpHeader || (plan.protocol == kProtocolTcp && transport < 20)) return false;
  if (header >= view.length || header > kMaximumSegmentHeader || header >= mtu ||
      virtio.gsoSize == 0) {
    return false;
  }
  const size_t room = mtu - header;
  plan.lowered = virtio.gsoSize > room;
  // The boundaries of datagrams belong to the application and cannot be moved.
  if (plan.lowered && plan.protocol == kProtocolUdp) return false;
  plan.transportOffset = static_cast<u16>(start);
  plan.headerLength = static_cast<u16>(header);
  plan.segmentSize = plan.lowered ? static_cast<u16>(room) : virtio.gsoSize;
  plan.payload = view.length - header;
  plan.count = (plan.payload + plan.segmentSize - 1) / plan.segmentSize;
  return true;
}

void writeSegmentHeader(const SegmentPlan& plan, const PacketView& view, u32 index, u8* out) {
  writeHeader(plan, view, view.data, index, out);
}

PacketView segmentInPlace(const SegmentPlan& plan, const PacketView& view, const u8* header,
                          u32 index) {
  PacketView segment = view;
  segment.data = view.data + segmentOffset(plan, index) - plan.headerLength;
  segment.length = plan.headerLength + segmentLength(plan, index);
  writeHeader(plan, view, header, index, segment.data);
  return segment;
}

bool completeChecksum(const VirtioHeader& virtio, u8* packet, size_t length) {
  const size_t at = size_t{virtio.checksumStart} + virtio.checksumOffset;
  if (virtio.checksumStart >= length || at + 2 > length) return false;
  // The field already holds the sum of the pseudo-header, so it is part of the sum.
  const u16 checksum =
      checksumFinish(checksumAdd(packet + virtio.checksumStart, length - virtio.checksumStart, 0));
  // Zero means "no checksum" in UDP (RFC 768); offset 6 is that of UDP.
  storeRaw16(packet + at, virtio.checksumOffset == 6 && checksum == 0 ? 0xffff : checksum);
  return true;
}

}  // namespace sojourn
