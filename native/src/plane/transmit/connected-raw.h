// Raw sockets connected to the far ends of busy tunnels. The kernel keeps the route with a
// connected socket; looking it up for every packet is a fifth of the packet's cost. A mobile node
// has one tunnel; on a home agent each thread keeps sockets for its few busiest ones.
#pragma once
#include "base/descriptor.h"
#include "tables/tunnel.h"

namespace sojourn {

class ConnectedRaw {
 public:
  explicit ConnectedRaw(int mark) : mark_(mark) {}

  // The socket for packets of `innerFamily` in `tunnel`; -1 while the tunnel is not busy enough.
  int socketFor(const Tunnel& tunnel, u8 innerFamily) {
    const Flow flow{
        .far = tunnel.endpoint->identity, .local = tunnel.path.local, .innerFamily = innerFamily};
    for (const Entry& entry : entries_) {
      if (entry.socket && entry.flow == flow) return entry.socket.get();
    }
    return openIfBusy(flow);
  }

 private:
  static constexpr int kEntries = 4;
  // Packets in a row before a flow gets a socket: about the cost of opening one.
  static constexpr u32 kBusy = 64;

  struct Flow {
    Endpoint::Key far;
    Address local;
    u8 innerFamily = 0;
    bool operator==(const Flow& other) const {
      return innerFamily == other.innerFamily && far == other.far && local == other.local;
    }
  };
  struct Entry {
    Flow flow;
    Descriptor socket;
  };

  int openIfBusy(const Flow& flow);

  const int mark_;
  Entry entries_[kEntries] = {};
  int oldest_ = 0;
  // The batch may still hold packets for the socket that was replaced last.
  Descriptor evicted_;
  // The flow of the latest packets without a socket, and their number.
  Flow candidate_ = {};
  u32 packetsInRow_ = 0;
};

}  // namespace sojourn
