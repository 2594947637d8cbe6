// Tunnels → TUN and JavaScript: one packet thread's inward half.
#pragma once
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "net/coalesce.h"
#include "plane/path-errors.h"
#include "plane/plane-parts.h"
#include "plane/receive/translate-inward.h"
#include "relay/relay-switch.h"
#include "sockets/udp-socket.h"

namespace sojourn {

// How an inner packet came to this host.
struct Arrival {
  Endpoint::Key from;
  Address local;
  u8 trafficClass;
  ChecksumState checksum = ChecksumState::unknown;
  // The tunnel whose key opened the packet; null: the far end's address tells.
  const Tunnel* sealed = nullptr;
};

struct ReceiverProbe;

class Receiver final : public PacketSink {
 public:
  // `slot`: whose AEAD contexts are ours. `sockets`: what a relay passes on leaves by them.
  Receiver(Shared& shared, Counters& counters, int tun, unsigned slot,
           const SendSockets& sockets = kNoSockets);

  // Each takes a bounded number of packets; false when nothing was left at the end.
  bool turnUdp(int fd, u64 nowMs);
  bool turnSealed(int fd, int family, u64 nowMs);
  bool turnTap(int fd, u64 nowMs);
  bool turnLink(int fd, const std::string& device);
  // Judges again what was held back for `from`. For a receiver that JavaScript's thread owns.
  void replay(const Endpoint::Key& from, u64 nowMs);

  void write(const iovec* parts, int count) override;

 private:
  // For the fuzzer, which has no sockets.
  friend struct ReceiverProbe;

  static constexpr int kLargeMessages = 2;
  static constexpr int kMessages = 8;
  static constexpr int kRounds = 8;
  static constexpr int kFrames = 64;
  static constexpr size_t kBuffer = sizeof(VirtioHeader) + 64 + 65536;

  // What was received for one tunnel since its counters were last brought up to date.
  struct Tally {
    const Tunnel* tunnel = nullptr;
    u64 packets = 0;
    u64 octets = 0;
  };

  u8* buffer(int index) { return buffers_.get() + static_cast<size_t>(index) * kStride; }
  bool turnDatagrams(int fd, int family, Encapsulation encapsulation);
  void prepareUdp(int count);
  void udpMessage(int index, int family, Encapsulation encapsulation);
  void datagrams(u8* data, size_t length, size_t segment, const Arrival& arrival);
  // One datagram of the sealed port.
  void sealed(u8* data, size_t length, const Arrival& arrival);
  void open(u8* datagram, size_t length, Arrival arrival, u32 relayIndex);
  // Told of sealed packets that come from elsewhere than where the tunnel sends to.
  void noticeRoaming(const ReceiveAssociation& association, const Arrival& arrival, u32 relayIndex);
  ControlPath datagramPath(const Arrival& arrival, u32 relayIndex) const;
  // `depth`: how many tunnels it was taken out of before.
  void inner(u8* data, size_t length, const Arrival& arrival, unsigned depth = 0);
  bool nested(const PacketView& view, unsigned depth);
  const Tunnel* permitted(const PacketView& view, const Arrival& arrival);
  void refuse(const PacketView& view, const Arrival& arrival, const Tunnel* tunnel);
  // A Mobility Header for this host. `native`: with a Home Address option, as on an IPv6 link, so
  // of a node behind the far end.
  enum class Control { none, registration, native };
  Control controlOf(const PacketView& view);
  void puntUdp(const PacketView& view, const Arrival& arrival);
  void puntTunnel(const PacketView& view, const Tunnel& tunnel);
  bool applyEcn(PacketView& view, u8 outer);
  void frame(u8* data, size_t length, size_t linkHeader);
  void frame6(const PacketView& outer, const VirtioHeader& virtio);
  void frame4(const PacketView& outer, const VirtioHeader& virtio);
  void decapsulate(const PacketView& outer, u32 offset, const VirtioHeader& virtio);
  void innerSuper(u8* data, size_t length, const Arrival& arrival, VirtioHeader virtio, u32 offset);
  void puntNative(const PacketView& outer);
  void punt(ControlPath&& path, const u8* packet, size_t length);
  void tally(const Tunnel& tunnel, u64 packets, u64 octets);
  void settle();
  void finishTurn();

  static constexpr size_t kStride = (kBuffer + 4095) & ~size_t{4095};

  Shared& shared_;
  Counters& counters_;
  const int tun_;
  const unsigned slot_;
  Coalescer coalescer_;
  InwardTranslator translator_;
  ErrorSender errors_;
  PathErrors pathErrors_;
  RelaySwitch relay_;
  u64 nowMs_ = 0;
  Tally tally_;
  // Large datagrams fill the cache with few messages; small ones need many to a call.
  int messages_ = kMessages;
  std::unique_ptr<u8[]> buffers_;
  mmsghdr headers_[kFrames];
  iovec parts_[kFrames];
  SocketAddress from_[kMessages];
  ControlBuffer control_[kFrames];
};

}  // namespace sojourn
