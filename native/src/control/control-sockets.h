// UDP sockets whose datagrams are for JavaScript, and the thread that reads them: the same fair
// queue as behind a plane's sealed port, and for datagrams of NTMobile the same checks.
#pragma once
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "control/control-gate.h"
#include "sockets/udp-socket.h"

namespace sojourn {

struct ControlEndpoint {
  int family = 4;
  Address address;
  u16 port = 0;  // 0: a free one
};

enum class ControlProtocol : u8 {
  ntmobile,
  other,  // anybody sends queries, and gets answers
};

// All calls come from one thread. `wake` comes from another one.
class ControlSockets {
 public:
  // Throws SystemError.
  ControlSockets(const std::vector<ControlEndpoint>& endpoints, ControlProtocol protocol,
                 std::function<void()> wake);
  ~ControlSockets();

  // With their ports, in the order of the constructor.
  std::vector<ControlEndpoint> endpoints() const;
  // From the socket of the path's local endpoint. Returns 0 or errno.
  int send(const PacketPath& path, const u8* packet, size_t length);
  std::vector<ControlPacket> takePunts(size_t limit, bool& more) {
    return punts_.take(limit, more);
  }
  HandshakeCheck& handshakes() { return gate_.handshakes; }
  OwnSpis& ownSpis() { return gate_.ownSpis; }
  u64 counter(Counters::Name name) const { return received_.values[name].load(); }

 private:
  static constexpr int kMessages = 32;
  // No control datagram is larger than the smallest MTU of IPv6.
  static constexpr size_t kBuffer = 2048;
  static constexpr int kRounds = 8;

  struct Bound {
    ControlEndpoint at;
    Descriptor socket;
  };

  static Bound bindTo(const ControlEndpoint& endpoint);
  void run();
  void receive(const Bound& bound, u64 nowMs);
  void receiveMessage(const Bound& bound, int index, u64 nowMs);
  Admission admit(const u8* datagram, size_t length, const PacketPath& path, u64 nowMs,
                  Sender& sender);

  const ControlProtocol protocol_;
  std::vector<Bound> bound_;
  PuntQueue punts_;
  ControlGate gate_;
  // Of the thread.
  Counters received_;
  Descriptor stop_;
  Descriptor epoll_;
  std::unique_ptr<u8[]> buffers_;
  mmsghdr headers_[kMessages];
  iovec parts_[kMessages];
  SocketAddress from_[kMessages];
  std::thread thread_;
};

}  // namespace sojourn
