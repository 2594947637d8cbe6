// User-space segmentation of a super-packet that the kernel left whole on the TUN (TSO, USO): a
// plan, then one header for each segment, as the kernel's tcp_gso_segment and __udp_gso_segment
// make them. The payload is not copied.
#pragma once
#include "base/bytes.h"
#include "net/packet.h"
#include "net/virtio.h"

namespace sojourn {

struct SegmentPlan {
  u16 transportOffset;  // start of the TCP or UDP header
  u16 headerLength;     // of IP, extension and transport headers: repeated for each segment
  u16 segmentSize;      // payload octets of each segment but the last
  u32 payload;          // payload octets of all segments
  u32 count;
  u8 protocol;
  bool lowered;  // the segments are smaller than the sender's, to fit into the MTU
};

constexpr size_t kMaximumSegmentHeader = 192;

// `view` is the whole super-packet. False if the virtio header does not fit the packet, or no
// segment fits into `mtu`.
bool planSegments(const VirtioHeader& virtio, const PacketView& view, size_t mtu,
                  SegmentPlan& plan);

// The payload of segment `index`: its offset and length in the super-packet.
inline u32 segmentOffset(const SegmentPlan& plan, u32 index) {
  return plan.headerLength + index * plan.segmentSize;
}
inline u32 segmentLength(const SegmentPlan& plan, u32 index) {
  const u32 left = plan.payload - index * plan.segmentSize;
  return left < plan.segmentSize ? left : plan.segmentSize;
}

// Writes the `plan.headerLength` octets of segment `index` to `out`, checksums included.
void writeSegmentHeader(const SegmentPlan& plan, const PacketView& view, u32 index, u8* out);

// Makes segment `index` a whole packet inside the super-packet: its header replaces the octets in
// front of its payload, which belong to earlier segments. To be called in order, when those are no
// longer needed. `header` is a copy of the super-packet's.
PacketView segmentInPlace(const SegmentPlan& plan, const PacketView& view, const u8* header,
                          u32 index);

// Completes the checksum that the kernel left to the device (NEEDS_CSUM). False if its field is
// outside the packet.
bool completeChecksum(const VirtioHeader& virtio, u8* packet, size_t length);

}  // namespace sojourn
