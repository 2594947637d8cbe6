// The inward half of a packet thread: from tunnels to the TUN, and control packets to JavaScript.
#pragma once
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "net/coalesce.h"
#include "net/reassembler.h"
#include "plane/path-errors.h"
#include "plane/receive/translate-inward.h"
#include "plane/receive/unknown-endpoint-limit.h"
#include "plane/shared.h"
#include "relay/relay-switch.h"
#include "sockets/udp-socket.h"

namespace sojourn {

// How an inner packet reached this host.
struct Arrival {
  Endpoint::Key from{};
  Address local{};
  u8 trafficClass = 0;
  ChecksumState checksum = ChecksumState::unknown;
  // The tunnel whose key opened the packet; null: the ingress permit checks the endpoint.
  const Tunnel* authenticated = nullptr;
};

struct ReceiverProbe;

class Receiver final : public PacketSink {
 public:
  // `slot`: the AEAD contexts of this thread's pair. `sockets`: a relay forwards through them.
  Receiver(Shared& shared, Counters& counters, int tun, unsigned slot,
           const SendSockets& sockets = kNoSockets);

  // Each handles a bounded number of packets and returns false once there are none left.
  bool pollUdp(int fd, u64 nowMs);
  bool pollSealed(int fd, int family, u64 nowMs);
  bool pollEsp(int fd, u64 nowMs);
  bool pollTap(int fd, u64 nowMs);
  bool pollLink(int fd, const std::string& device);
  // Packets from an endpoint without a tunnel are reported from here on. `receivers`: threads that
  // share the limit of such reports.
  void noticeUnknownEndpoints(unsigned receivers) {
    unknownEndpoints_ = std::make_unique<UnknownEndpointLimit>(receivers);
  }
  // Checks the packets held for `from` again. For the receiver of JavaScript's thread.
  void releaseHeld(const Endpoint::Key& from, u64 nowMs);

  void write(const iovec* parts, int count) override;

 private:
  // For the fuzzer, which has no sockets.
  friend struct ReceiverProbe;

  static constexpr int kLargeMessages = 2;
  static constexpr int kMessages = 8;
  static constexpr int kRounds = 8;
  static constexpr int kFrames = 64;
  static constexpr size_t kBuffer = sizeof(VirtioHeader) + 64 + 65536;

  // Packets and octets received for one tunnel that are not yet in its counters.
  struct Tally {
    const Tunnel* tunnel = nullptr;
    u64 packets = 0;
    u64 octets = 0;
  };
  // A Mobility Header for this host.
  enum class Control {
    none,
    plain,
    // Handled as on an IPv6 link: it is from a node behind the far end.
    withHomeAddressOption,
    // No Mobility Header, but a Home Address option.
    homeAddressed,
    // A fragment of one.
    fragment,
  };

  u8* buffer(int index) { return buffers_.get() + static_cast<size_t>(index) * kStride; }
  bool writeSegments(const iovec* parts, int count);
  bool pollDatagrams(int fd, int family, Protection protection);
  void prepareMessages(int count);
  void receiveMessage(int index, int family, Protection protection);
  void receiveDatagrams(u8* data, size_t length, size_t segment, const Arrival& arrival);
  // A datagram of the sealed port.
  void receiveSealed(u8* data, size_t length, const Arrival& arrival);
  void openSealed(u8* datagram, size_t length, Arrival arrival, u32 relayIndex);
  void puntDatagram(u8* datagram, size_t length, const Arrival& arrival, u32 relayIndex);
  void sendCookie(const PacketPath& path, CookieReply& reply);
  void countUnopened(OpenResult result);
  // `limit` and `tunnel`: those of the key that opened the packet.
  void noticeRoaming(RoamingNoticeLimit& limit, u32 tunnel, const Arrival& arrival,
                     u32 relayIndex);
  // A datagram of the port of ESP in UDP.
  void receiveEspDatagram(u8* data, size_t length, const Arrival& arrival);
  // A packet of protocol 50. False if no tunnel has its SPI.
  bool receiveEspPacket(const PacketView& outer, u32 offset);
  void openEsp(EspReceiveKey& key, u8* packet, size_t length, Arrival arrival);
  PacketPath datagramPath(const Arrival& arrival, u32 relayIndex) const;
  // `depth`: the tunnels that the packet was taken out of before.
  void receiveInner(u8* data, size_t length, const Arrival& arrival, unsigned depth = 0);
  bool receiveNested(const PacketView& view, const Arrival& outer, unsigned depth);
  bool receiveControl(PacketView& view, const Arrival& arrival, unsigned depth);
  bool receiveProbe(const PacketView& view, const Arrival& arrival);
  const Tunnel* permittedTunnel(const PacketView& view, const Arrival& arrival);
  const Tunnel* soundly(const PacketView& view, const Tunnel* tunnel);
  void holdOrDrop(const PacketView& view, const Arrival& arrival, const Tunnel* tunnel);
  void noticeUnknownEndpoint(const PacketView& view, const Arrival& arrival);
  Control controlKind(const PacketView& view);
  // If no local addresses are known, any destination is this host.
  bool isForThisHost(const PacketView& view) const {
    return !shared_.tables.knowsLocal() || shared_.tables.isLocal(view.family, view.destination());
  }
  // `known`: the fragment came from the far end of a tunnel. False: the packet is not whole yet.
  bool reassemble(const PacketView& fragment, bool known, PacketView& whole);
  void puntUdp(const PacketView& view, const Arrival& arrival);
  void puntTunnel(const PacketView& view, const Tunnel& tunnel);
  bool applyEcn(PacketView& view, u8 outer);
  void receiveFrame(u8* data, size_t length, size_t linkHeader);
  void receiveFrame6(const PacketView& outer, const VirtioHeader& virtio);
  void receiveFrame4(const PacketView& outer, const VirtioHeader& virtio);
  void receiveFragment(const PacketView& outer);
  void decapsulate(const PacketView& outer, u32 offset, const VirtioHeader& virtio);
  void receiveSuperPacket(u8* data, size_t length, const Arrival& arrival, VirtioHeader virtio,
                          u32 offset);
  void puntIpv6(const PacketView& outer);
  // A packet for this host with Home Address option or type 2 routing header, but no Mobility
  // Header. `path`: what the engine is told if it has to answer.
  void receiveHomeAddressed(PacketView packet, const VirtioHeader& virtio, PacketPath path,
                            const Sender& sender);
  void deliverExchanged(PacketView packet, VirtioHeader virtio, u32 removed);
  void receiveOptimizedError(const PacketView& outer, u32 offset);
  void puntProblem(const PacketView& outer, u32 offset);
  Sender senderAt(const Endpoint::Key& from) const;
  void punt(PacketPath&& path, const Sender& sender, const u8* packet, size_t length);
  void tally(const Tunnel& tunnel, u64 packets, u64 octets);
  void flushTally();
  void finishBatch();

  static constexpr size_t kStride = (kBuffer + 4095) & ~size_t{4095};

  Shared& shared_;
  Counters& counters_;
  const int tun_;
  const unsigned slot_;
  Coalescer coalescer_;
  Reassembler reassembler_;
  // Whole packets of this batch, which the coalescer points into.
  std::vector<std::vector<u8>> assembled_;
  InwardTranslator translator_;
  ErrorSender errors_;
  PathErrors pathErrors_;
  RelaySwitch relay_;
  // Null: they are not reported.
  std::unique_ptr<UnknownEndpointLimit> unknownEndpoints_;
  u64 nowMs_ = 0;
  // The socket that is read.
  int polled_ = -1;
  Tally tally_;
  // Messages to a receive call: a few large datagrams fill the cache, small ones need many.
  int messages_ = kMessages;
  std::unique_ptr<u8[]> buffers_;
  mmsghdr headers_[kFrames];
  iovec parts_[kFrames];
  SocketAddress from_[kMessages];
  ControlBuffer control_[kFrames];
};

}  // namespace sojourn
