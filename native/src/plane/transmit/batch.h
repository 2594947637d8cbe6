// Packets on their way out, gathered so that one system call carries many. What the parts point at
// must stay until flush().
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/outer-header.h"
#include "plane/path-errors.h"
#include "plane/plane-parts.h"
#include "plane/transmit/connected-raw.h"
#include "plane/transmit/slow-path.h"
#include "sockets/udp-socket.h"

namespace sojourn {

// Kernel errors that belong to an earlier packet (an ICMP error that arrived meanwhile) and vanish
// by being told.
bool isPendingError(int error);

// One inner packet, whose header may lie apart from its payload, or a sealed datagram.
struct OutgoingPacket {
  const Tunnel* tunnel;
  u8 family;
  u8 trafficClass;
  u8 partCount;  // 1 or 2
  iovec parts[2];

  size_t length() const { return parts[0].iov_len + (partCount == 2 ? parts[1].iov_len : 0); }
};

// Tunnels in UDP, through one socket. A message is a run of packets of one tunnel, all of one size
// but the last: one UDP_SEGMENT send.
class UdpBatch {
 public:
  UdpBatch(Shared& shared, Counters& counters, int fd, PathErrors& pathErrors, SlowPath& slowPath)
      : counters_(counters),
        fd_(fd),
        pathErrors_(pathErrors),
        slowPath_(slowPath),
        segmentation_(shared.features.udpSegmentation) {}

  void add(const OutgoingPacket& packet);
  void flush();

 private:
  static constexpr int kMessages = 32;
  static constexpr int kSegments = 64;

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

  Message* openMessage(const OutgoingPacket& packet, size_t length);
  Message& newMessage(const OutgoingPacket& packet, size_t length);
  void prepare(Message& message, mmsghdr& header);
  void append(Message& message, const iovec& part);
  bool recover(Message& message, int error);
  void sendApart(Message& message, bool fragmented);
  void sendFragmented(const Message& message, u8* data, size_t length);

  Counters& counters_;
  const int fd_;
  PathErrors& pathErrors_;
  SlowPath& slowPath_;
  bool segmentation_;
  int count_ = 0;
  Message messages_[kMessages];
};

// Tunnels without UDP: no segmentation offload exists for them from user space, so each packet is a
// message of one sendmmsg.
class RawBatch {
 public:
  RawBatch(Shared& shared, Counters& counters, const SendSockets& sockets, PathErrors& pathErrors,
           SlowPath& slowPath)
      : counters_(counters),
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

  void prepare6(Slot& slot, msghdr& header);
  void prepare4(Slot& slot, msghdr& header);
  void recover(const Slot& slot, int error);

  Counters& counters_;
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
