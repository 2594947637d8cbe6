// TUN → tunnels: one packet thread's outward half.
#pragma once
#include <memory>
#include <vector>

#include "net/segment.h"
#include "plane/path-errors.h"
#include "plane/plane-parts.h"
#include "plane/transmit/batch.h"
#include "plane/transmit/sealer.h"
#include "translate/translate.h"

namespace sojourn {

class Transmitter {
 public:
  // `slot`: whose AEAD contexts are ours.
  Transmitter(Shared& shared, Counters& counters, const SendSockets& sockets, int tun,
              unsigned slot);

  // Reads a bounded number of packets from the TUN and sends them. False when the TUN was empty at
  // the end.
  bool turn(u64 nowMs);
  // What others left to do. For the first transmitting thread of a plane.
  void runErrands(u64 nowMs);
  // Sends what is held for tunnels that are there by now, and forgets what waited too long.
  void resendHeld(u64 nowMs);
  // Somebody deleted the device under us: it will never be readable in earnest again.
  bool deviceGone() const { return gone_; }
  // An ICMP error waits at a socket.
  void learnErrors(int fd, Encapsulation encapsulation) {
    pathErrors_.learnFrom(fd, encapsulation);
  }

 private:
  // A super-packet may be 64 KiB; several fit, so that runs of segments may span reads.
  static constexpr size_t kLargestRead = sizeof(VirtioHeader) + 65536;
  // In front of a packet: what its translation may need. The virtio header is read to its end.
  static constexpr size_t kRoom = 64;
  static_assert(kRoom >= kTranslationHeadroom && HeldOutward::kRoom >= kTranslationHeadroom);
  static constexpr size_t kArena = 6 * 66048;
  static constexpr size_t kHeaders = 256 * kMaximumSegmentHeader;
  static constexpr int kReads = 128;

  void packet(const VirtioHeader& virtio, u8* data, size_t length);
  // Counts what it refuses.
  bool translated(const VirtioHeader& virtio, const PacketView& view);
  // Translates, for `tunnel` or, null, for the TUN.
  void cross(VirtioHeader virtio, PacketView view, const Tunnel* tunnel, TranslationTarget& target);
  void leave(const VirtioHeader& virtio, PacketView& view, const Tunnel* tunnel);
  void send(const VirtioHeader& virtio, PacketView& view, const Tunnel& tunnel);
  void unsendable(const VirtioHeader& virtio, const PacketView& view, const Tunnel* tunnel);
  void single(const VirtioHeader& virtio, PacketView& view, const Tunnel& tunnel, size_t mtu);
  void superPacket(const VirtioHeader& virtio, const PacketView& view, const Tunnel& tunnel,
                   size_t mtu);
  void sendSealed(const PacketView& view, const Tunnel& tunnel);
  void superSealed(const SegmentPlan& plan, const PacketView& view, const Tunnel& tunnel);
  void sendWhole(const PacketView& view, const Tunnel& tunnel);
  void tooBig(const PacketView& view, const Tunnel& tunnel, size_t mtu);
  void fragmentInner(const PacketView& view, const Tunnel& tunnel, size_t mtu);
  void add(const OutgoingPacket& packet);
  void flush();

  Shared& shared_;
  Counters& counters_;
  const int tun_;
  ErrorSender errors_;
  PathErrors pathErrors_;
  SlowPath slowPath_;
  UdpBatch udp_;
  UdpBatch sealed4_;
  UdpBatch sealed6_;
  Sealer sealer_;
  RawBatch raw_;
  u16 identification_;
  u64 nowMs_ = 0;
  bool gone_ = false;
  std::unique_ptr<u8[]> arena_;
  std::unique_ptr<u8[]> headers_;
  size_t headersUsed_ = 0;
};

}  // namespace sojourn
