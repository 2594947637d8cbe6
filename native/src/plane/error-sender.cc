#include "plane/error-sender.h"

#include <sys/uio.h>

#include "net/virtio.h"

namespace sojourn {
namespace {

const Address* sourceOf(const PacketView& packet, const Tunnel& tunnel) {
  return packet.family == 6 && tunnel.path.family == 6 ? &tunnel.path.local : nullptr;
}

}  // namespace

void ErrorSender::packetTooBig(const PacketView& packet, const Tunnel& tunnel, size_t mtu,
                               u64 nowMs) {
  if (!limit_.allow(nowMs)) return;
  if (write(sojourn::packetTooBig(packet, mtu, sourceOf(packet, tunnel)))) {
    counters_.add(Counters::packetTooBigSent);
  }
}

void ErrorSender::unreachable(const PacketView& packet, const Tunnel& tunnel, u64 nowMs) {
  if (!limit_.allow(nowMs)) return;
  if (write(sojourn::unreachable(packet, sourceOf(packet, tunnel)))) {
    counters_.add(Counters::unreachableSent);
  }
}

void ErrorSender::relay(const PacketView& packet, const Icmpv6Error& error, const Address& source,
                        u64 nowMs) {
  if (!limit_.allow(nowMs)) return;
  if (write(relayedError(packet, error, source))) counters_.add(Counters::unreachableSent);
}

void ErrorSender::untranslated(const PacketView& packet, const Translation& translation,
                               u64 nowMs) {
  std::vector<u8> error = translationError(packet, translation, nullptr);
  if (error.empty() || !limit_.allow(nowMs)) return;
  if (write(std::move(error))) counters_.add(Counters::refusalsSent);
}

bool ErrorSender::write(std::vector<u8> error) {
  if (error.empty()) return false;
  VirtioHeader none;
  const iovec parts[2] = {{&none, sizeof none}, {error.data(), error.size()}};
  return ::writev(tun_, parts, 2) > 0;
}

}  // namespace sojourn
