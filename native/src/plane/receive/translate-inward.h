// Translation of what comes out of tunnels, on its way to the TUN: a run that was coalesced is
// translated once, as one super-packet.
#pragma once
#include <memory>

#include "net/icmp.h"
#include "plane/plane-parts.h"
#include "translate/translate-copy.h"

namespace sojourn {

class InwardTranslator {
 public:
  InwardTranslator(Shared& shared, Counters& counters, int tun);

  // A packet for the TUN, the virtio header first. False when it is not to be translated; otherwise
  // it has been dealt with.
  bool take(const iovec* parts, int count, u64 nowMs);

 private:
  static constexpr size_t kHeaders = 192;
  static constexpr int kParts = 72;

  void whole(const iovec* parts, int count, VirtioHeader virtio, TranslationTarget& target,
             u64 nowMs);
  bool super(const iovec* parts, int count, PacketView view, VirtioHeader virtio,
             const TranslationTarget& target);
  void write(const iovec* parts, int count);
  void writePacket(const VirtioHeader& virtio, const u8* data, size_t length);
  void writeAll(const Packets& packets);
  void refuse(const PacketView& packet, const Translation& translation, u64 nowMs);

  Shared& shared_;
  Counters& counters_;
  const int tun_;
  RateLimit limit_;
  u16 identification_;
  // One packet with room in front, in one piece.
  std::unique_ptr<u8[]> buffer_;
};

}  // namespace sojourn
