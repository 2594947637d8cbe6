// The segmentation planner with any virtio header and any packet: accepted ones yield whole
// packets.
#include "net/segment.h"
#include "octets.h"

using namespace sojourn;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  fuzz::Octets octets(data, size);
  VirtioHeader virtio;
  virtio.flags = octets.next();
  virtio.gsoType = octets.next();
  virtio.headerLength = octets.next();
  virtio.gsoSize = octets.next16() % 2048;
  virtio.checksumStart = octets.next();
  virtio.checksumOffset = octets.next() % 32;
  const size_t mtu = octets.next16() % 2048;
  std::vector<u8> packet = octets.rest();
  completeChecksum(virtio, packet.data(), packet.size());
  PacketView view;
  SegmentPlan plan;
  if (!viewPacket(packet.data(), packet.size(), view) || !planSegments(virtio, view, mtu, plan)) {
    return 0;
  }
  u32 payload = 0;
  for (u32 index = 0; index < plan.count; index++) {
    std::vector<u8> segment(plan.headerLength + segmentLength(plan, index));
    writeSegmentHeader(plan, view, index, segment.data());
    payload += segmentLength(plan, index);
    fuzz::require(segmentOffset(plan, index) + segmentLength(plan, index) <= view.length);
    PacketView again;
    fuzz::require(viewPacket(segment.data(), segment.size(), again));
    fuzz::require(again.length == segment.size() && again.length <= mtu);
  }
  fuzz::require(payload == plan.payload);
  return 0;
}
