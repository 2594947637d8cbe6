// The outward half of a packet thread: from the TUN into tunnels.
#pragma once
#include <memory>
#include <vector>

#include "net/segment.h"
#include "plane/path-errors.h"
#include "plane/shared.h"
#include "plane/transmit/batch.h"
#include "plane/transmit/esp-sealer.h"
#include "plane/transmit/sealer.h"
#include "translate/translate.h"

namespace sojourn {

// For a plane with optimized paths: whether a packet takes none, although it was routed into the
// TUN. Null: its destination has no binding any more.
bool isForPlainPath(const Tunnel* tunnel, const PacketView& view);

class Transmitter {
 public:
  // `slot`: the AEAD contexts of this thread's pair.
  Transmitter(Shared& shared, Counters& counters, const SendSockets& sockets, int tun,
              unsigned slot);

  // Reads a bounded number of packets from the TUN and sends them. False once the TUN is empty.
  bool poll(u64 nowMs);
  // Sends the packets in the plane's transmit queue, and held ones. For the first transmitting
  // thread of a plane.
  void sendQueued(u64 nowMs);
  // Sends held packets whose tunnels exist by now, and drops those that waited too long.
  void sendHeld(u64 nowMs);
  // Sends probes of paths and answers to them. For the first transmitting thread of a plane.
  void sendProbes(u64 nowMs);
  // The TUN device was deleted. Its descriptor keeps reporting an error.
  bool deviceGone() const { return gone_; }
  // Reads the error queue of a raw socket.
  void learnErrors(int fd, Protection protection) {
    pathErrors_.learnFrom(fd, Carrier::ip, protection);
  }

 private:
  // A super-packet may be 64 KiB. Several fit, so that runs of segments may span reads.
  static constexpr size_t kLargestRead = sizeof(VirtioHeader) + 65536;
  // In front of a packet, for its translation. The virtio header is read to the end of it.
  static constexpr size_t kRoom = 64;
  static_assert(kRoom >= kTranslationHeadroom && HeldOutward::kRoom >= kTranslationHeadroom);
  static constexpr size_t kArena = 6 * 66048;
  static constexpr size_t kHeaders = 256 * kMaximumSegmentHeader;
  static constexpr int kReads = 128;

  void transmit(const VirtioHeader& virtio, u8* data, size_t length);
  // False if the packet is not for translation.
  bool translateOrDrop(const VirtioHeader& virtio, const PacketView& view);
  // Translates a packet for `tunnel`, or for the TUN if that is null.
  void sendTranslated(VirtioHeader virtio, PacketView view, const Tunnel* tunnel,
                      TranslationTarget& target);
  // A packet to a home address without a binding for its own addresses: the home agent has it.
  void sendUnchanged(const VirtioHeader& virtio, const PacketView& view);
  void sendUnchanged(u8* packet, size_t length);
  void deliver(const VirtioHeader& virtio, PacketView& view, const Tunnel* tunnel);
  void send(const VirtioHeader& virtio, PacketView& view, const Tunnel& tunnel);
  void searchPath(const Tunnel& tunnel);
  void holdOrDrop(const VirtioHeader& virtio, const PacketView& view, const Tunnel* tunnel);
  void sendSingle(const VirtioHeader& virtio, PacketView& view, const Tunnel& tunnel, size_t mtu);
  void sendSuperPacket(const VirtioHeader& virtio, const PacketView& view, const Tunnel& tunnel,
                       size_t mtu);
  void sendOne(const PacketView& view, const Tunnel& tunnel);
  // `Sealing`: Sealer or EspSealer.
  template <class Sealing>
  void sendProtected(Sealing& sealer, const PacketView& view, const Tunnel& tunnel);
  template <class Sealing>
  void sendProtectedSegments(Sealing& sealer, const SegmentPlan& plan, const PacketView& view,
                             const Tunnel& tunnel);
  void sendPlain(const PacketView& view, const Tunnel& tunnel);
  void sendPlainSegments(const SegmentPlan& plan, const PacketView& view, const Tunnel& tunnel);
  void sendInOuterFragments(const PacketView& view, const Tunnel& tunnel);
  template <class Sealing>
  void sendInOuterFragments(Sealing& sealer, const PacketView& view, const Tunnel& tunnel);
  void handleTooBig(const PacketView& view, const Tunnel& tunnel, size_t mtu);
  void fragmentInner(const PacketView& view, const Tunnel& tunnel, size_t mtu);
  void sendProbe(const PathProber::Outgoing& outgoing);
  template <class Sealing>
  int sendProtectedProbe(Sealing& sealer, const Tunnel& tunnel, const std::vector<u8>& packet);
  int sendWhole(const OuterPath& path, Protection protection, const std::vector<u8>& packet);
  void addPlain(const OutgoingPacket& packet);
  void addProtected(Sealer& sealer, const OutgoingPacket& packet);
  void addProtected(EspSealer& sealer, const OutgoingPacket& packet);
  void flush();

  Shared& shared_;
  Counters& counters_;
  const SendSockets sockets_;
  const int tun_;
  ErrorSender errors_;
  PathErrors pathErrors_;
  SlowPath slowPath_;
  UdpBatch udp_;
  UdpBatch sealed4_;
  UdpBatch sealed6_;
  UdpBatch esp4_;
  Sealer sealer_;
  EspSealer espSealer_;
  RawBatch raw_;
  u16 identification_;
  u64 nowMs_ = 0;
  bool gone_ = false;
  std::unique_ptr<u8[]> arena_;
  std::unique_ptr<u8[]> headers_;
  size_t headersUsed_ = 0;
};

}  // namespace sojourn
