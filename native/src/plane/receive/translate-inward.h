// Translation of packets out of tunnels before they are written to the TUN. A coalesced run is
// translated once, as one super-packet.
#pragma once
#include <memory>

#include "net/icmp.h"
#include "plane/shared.h"
#include "translate/translate-copy.h"

namespace sojourn {

class InwardTranslator {
 public:
  InwardTranslator(Shared& shared, Counters& counters, int tun);

  // `parts`: a packet for the TUN, the virtio header first. False if it is not for translation;
  // otherwise it was written or dropped.
  bool take(const iovec* parts, int count, u64 nowMs);

 private:
  static constexpr size_t kHeaders = 192;
  static constexpr int kParts = 72;

  void translateWhole(const iovec* parts, int count, VirtioHeader virtio, TranslationTarget& target,
                      u64 nowMs);
  bool translateHeaders(const iovec* parts, int count, PacketView view, VirtioHeader virtio,
                        const TranslationTarget& target);
  bool gather(const iovec* parts, int count, PacketView& view);
  void write(const iovec* parts, int count);
  void writePacket(const VirtioHeader& virtio, const u8* data, size_t length);
  void dropUntranslated(const PacketView& packet, const Translation& translation, u64 nowMs);

  Shared& shared_;
  Counters& counters_;
  const int tun_;
  IcmpRateLimit limit_;
  u16 identification_;
  // One packet in one piece, with headroom.
  std::unique_ptr<u8[]> buffer_;
};

}  // namespace sojourn
