// Batches of outgoing packets: one system call carries many. The octets that the parts of a packet
// point at must stay valid until flush().
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/outer-header.h"
#include "plane/path-errors.h"
#include "plane/shared.h"
#include "plane/transmit/connected-raw.h"
#include "plane/transmit/slow-path.h"
#include "sockets/udp-socket.h"

namespace sojourn {

// True for an error that an ICMP message about an earlier packet may have left at the socket.
// Reporting it clears it, so the send is worth repeating; a refusal is reported again.
bool isPendingError(int error);
// Anybody can send ICMP errors, and another one may come meanwhile. In a flood that may even be so
// at each of these calls: what they report proves nothing about the packet.
inline constexpr int kPendingErrors = 15;

// One inner packet, whose header may lie apart from its payload, or a sealed datagram, or an ESP
// packet.
struct OutgoingPacket {
  const Tunnel* tunnel;
  u8 family;
  u8 trafficClass;
  u8 partCount;  // 1 or 2
  iovec parts[2];

  size_t length() const { return parts[0].iov_len + (partCount == 2 ? parts[1].iov_len : 0); }
  // Behind an outer IP header.
  u8 protocol() const { return isEsp(tunnel->protection) ? kProtocolEsp : protocolOf(family); }
};

// Packets of UDP tunnels, through one socket. A message is a run of packets of one tunnel, all of
// the same size but the last: one send with UDP_SEGMENT.
class UdpBatch {
 public:
  UdpBatch(Shared& shared, Counters& counters, int fd, PathErrors& pathErrors, SlowPath& slowPath)
      : counters_(counters),
        sent_(shared.sent),
        fd_(fd),
        pathErrors_(pathErrors),
        slowPath_(slowPath),
        segmentation_(shared.features.udpSegmentation) {}

  void add(const OutgoingPacket& packet);
  void flush();

 private:
  static constexpr int kMessages = 32;
  static constexpr int kSegments = 64;
  // After a refusal, packets to that far end go without UDP_SEGMENT for this long.
  static constexpr u64 kOneByOneMs = 60'000;

  struct Message {
    const Tunnel* tunnel;
    u32 octets;
    u16 segmentSize;
    u16 segments;
    u16 parts;
    u8 trafficClass;
    bool closed;
    SocketAddress to;
    ControlBuffer control;
    iovec vector[kSegments * 2];
  };

  static bool sendsOneByOne(Endpoint& endpoint);
  static bool exceedsPath(const Tunnel& tunnel, size_t length);
  Message* openMessage(const OutgoingPacket& packet, size_t length);
  Message& newMessage(const OutgoingPacket& packet, size_t length);
  void prepare(Message& message, mmsghdr& header);
  void writeControlFor(Message& message, msghdr& header, u16 segmentSize);
  void append(Message& message, const iovec& part);
  void countSentMessages(int first, int end);
  bool recover(Message& message, int error);
  void learnPathMtu(const Tunnel& tunnel);
  bool sendSegments(Message& message);
  int sendSegment(Message& message, u8* data, size_t length);
  void sendFragmented(const Message& message, u8* data, size_t length);

  Counters& counters_;
  SentRecord& sent_;
  const int fd_;
  PathErrors& pathErrors_;
  SlowPath& slowPath_;
  const bool segmentation_;
  int count_ = 0;
  Message messages_[kMessages];
};

// Packets of IP-in-IP tunnels. User space has no segmentation offload for them, so each packet is a
// message of one sendmmsg.
class RawBatch {
 public:
  RawBatch(Shared& shared, Counters& counters, const SendSockets& sockets, PathErrors& pathErrors,
           SlowPath& slowPath)
      : counters_(counters),
        sent_(shared.sent),
        sockets_(sockets),
        pathErrors_(pathErrors),
        slowPath_(slowPath),
        connected_(shared.options.mark) {}

  void add(const OutgoingPacket& packet);
  void flush();

 private:
  static constexpr int kPackets = 64;

  struct Slot {
    OutgoingPacket packet;
    u8 header[kMaximumOuterHeader];
    sockaddr_in6 to;
    alignas(cmsghdr) u8 control[CMSG_SPACE(sizeof(in6_pktinfo))];
    iovec vector[3];
  };

  static size_t writeHeaders(Slot& slot);
  void record(const Slot& slot);
  void addressTo6(Slot& slot, msghdr& header);
  void addressTo4(Slot& slot, msghdr& header);
  template <class Info>
  void routeBySource(Slot& slot, msghdr& header, int level, int type, const Info& info);
  void recover(const Slot& slot, int error);

  Counters& counters_;
  SentRecord& sent_;
  const SendSockets& sockets_;
  PathErrors& pathErrors_;
  SlowPath& slowPath_;
  ConnectedRaw connected_;
  int fd_ = -1;
  int count_ = 0;
  Slot slots_[kPackets];
  mmsghdr headers_[kPackets];
};

}  // namespace sojourn
