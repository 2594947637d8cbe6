// Raw sockets that are connected to the far end of a busy tunnel: the kernel then keeps the route
// with the socket instead of looking it up for every packet, a fifth of what a packet costs. A
// mobile node has one tunnel; a home agent's threads keep the few busiest.
#pragma once
#include "base/descriptor.h"
#include "tables/tables.h"

namespace sojourn {

class ConnectedRaw {
 public:
  explicit ConnectedRaw(int mark) : mark_(mark) {}

  // The socket for packets of `innerFamily` in `tunnel`, -1 while the tunnel has not been busy
  // enough for one.
  int socketFor(const Tunnel& tunnel, u8 innerFamily) {
    const Way way{tunnel.endpoint->identity, tunnel.local, innerFamily};
    for (const Entry& entry : entries_) {
      if (entry.socket && entry.way == way) return entry.socket.get();
    }
    return warm(way);
  }

 private:
  static constexpr int kEntries = 4;
  // Packets in a row before a tunnel gets a socket; about what making one costs.
  static constexpr u32 kBusy = 64;

  struct Way {
    Endpoint::Key to;
    Address local;
    u8 innerFamily;
    bool operator==(const Way& other) const {
      return innerFamily == other.innerFamily && to == other.to && local == other.local;
    }
  };
  struct Entry {
    Way way;
    Descriptor socket;
  };

  int warm(const Way& way);

  const int mark_;
  Entry entries_[kEntries] = {};
  int oldest_ = 0;
  // The batch may still hold packets for the socket that gave way last.
  Descriptor evicted_;
  Way warming_ = {};
  u32 heat_ = 0;
};

}  // namespace sojourn
