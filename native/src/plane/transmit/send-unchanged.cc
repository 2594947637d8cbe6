// The transmitter: packets from the TUN that take no optimized path after all. The policy rules
// send marked packets by the host's other routes.
#include "net/optimized.h"
#include "plane/transmit/transmitter.h"
#include "sockets/raw-socket.h"

namespace sojourn {

bool isForPlainPath(const Tunnel* tunnel, const PacketView& view) {
  if (tunnel == nullptr) return true;
  return tunnel->path.carrier == Carrier::optimized && !isForOptimizedPath(tunnel->path, view);
}

void Transmitter::sendUnchanged(const VirtioHeader& virtio, const PacketView& view) {
  if (virtio.gsoType == kGsoNone) {
    const bool partial = (virtio.flags & kVirtioNeedsChecksum) != 0;
    if (partial && !completeChecksum(virtio, view.data, view.length)) {
      counters_.add(Counters::dropMalformed);
      return;
    }
    sendUnchanged(view.data, view.length);
    return;
  }
  SegmentPlan plan;
  if (!planSegments(virtio, view, kLargestRead, plan)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  std::vector<u8> segment;
  for (u32 index = 0; index < plan.count; index++) {
    const u32 payload = segmentLength(plan, index);
    segment.resize(plan.headerLength + payload);
    writeSegmentHeader(plan, view, index, segment.data());
    std::memcpy(segment.data() + plan.headerLength, view.data + segmentOffset(plan, index),
                payload);
    sendUnchanged(segment.data(), segment.size());
  }
}

void Transmitter::sendUnchanged(u8* packet, size_t length) {
  const int family = packet[0] >> 4;
  const bool sent = sendRawPacket(sockets_.complete(family), family, packet, length) == 0;
  counters_.add(sent ? Counters::sentUnchanged : Counters::dropSendError);
}

}  // namespace sojourn
