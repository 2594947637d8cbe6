// Puts outgoing inner packets into ESP (RFC 4303 §3.3, tunnel mode): one packet thread's. As the
// Sealer does, in an arena of its own, which a host without ESP does not have.
#pragma once
#include <memory>

#include "plane/shared.h"
#include "plane/transmit/batch.h"

namespace sojourn {

class EspSealer {
 public:
  EspSealer(Shared& shared, Counters& counters, unsigned slot)
      : shared_(shared), counters_(counters), slot_(slot) {}

  // The next packet fits only after the pending messages are sent and reset() was called.
  bool isFull(const Tunnel& tunnel, size_t length) const {
    return used_ + sizeOf(tunnel, length) > kArena;
  }
  // Seals the inner packet into `packet`, which is valid until reset(), if the arena is not full.
  // Counts a drop and returns false if the tunnel has no usable key or may not send so much.
  bool seal(const Tunnel& tunnel, const PacketView& inner, OutgoingPacket& packet);
  // All messages are sent.
  void reset() { used_ = 0; }

 private:
  static constexpr size_t kArena = 160 * 1024;

  static size_t sizeOf(const Tunnel& tunnel, size_t length) {
    return protectedLength(tunnel.protection, length);
  }

  Shared& shared_;
  Counters& counters_;
  const unsigned slot_;
  size_t used_ = 0;
  std::unique_ptr<u8[]> arena_;
};

}  // namespace sojourn
