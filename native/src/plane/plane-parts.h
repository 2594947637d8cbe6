// What the packet threads of one plane share.
#pragma once
#include <time.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "net/packet.h"
#include "plane/hold-queue.h"
#include "plane/punt-queue.h"
#include "plane/transmit-queue.h"
#include "tables/counters.h"
#include "tables/tables.h"

namespace sojourn {

struct Options {
  std::string device;
  bool homeAgent = false;
  int deviceMtu = 1460;
  u16 udpPort = 4191;
  int threads = 1;
  int mark = 0;
  bool raw = false;
  std::vector<std::string> linkDevices;
  u32 holdMs = 50;
  // 0: no sealed tunnels.
  u16 sealedPort = 0;
  // What comes from the TUN is translated either way, and goes back to it where no tunnel is.
  bool translateOnDevice = false;

  // Pairs of packet threads; one thread alone does both halves.
  size_t pairs() const { return static_cast<size_t>(std::max(1, threads / 2)); }
  // Which of the AEAD contexts are JavaScript's thread's; those of packet threads are their pair's.
  unsigned ownSlot() const { return static_cast<unsigned>(pairs()); }
};

struct Features {
  bool tunSegmentation = false;
  bool tunUdpSegmentation = false;
  bool udpSegmentation = false;
  bool udpReceiveOffload = false;
};

// Descriptors that a pair of packet threads sends through; -1 where the plane has none.
struct SendSockets {
  int udp = -1;
  u16 udpPort = 0;
  // By outer family: sealed[outer == 6].
  int sealed[2] = {-1, -1};
  u16 sealedPort = 0;
  // For tunnels without UDP, by outer and inner family: raw[outer == 6][inner == 6].
  int raw[2][2] = {{-1, -1}, {-1, -1}};
  // Complete packets of any protocol (IPPROTO_RAW): fragments of outer packets, control packets.
  int complete4 = -1;
  int complete6 = -1;

  int complete(int family) const { return family == 6 ? complete6 : complete4; }
};
inline const SendSockets kNoSockets{};

struct Shared {
  Shared(const Options& given, std::function<void()> wake)
      : options(given), tables(given.ownSlot() + 1), punts(std::move(wake)) {}

  const Options options;
  Features features;
  Tables tables;
  HoldQueue hold;
  OutwardHold outwardHold;
  Errands errands;
  PuntQueue punts;

  // The tunnel that an inner packet goes into, 0 = none: a home agent's by its destination, a
  // mobile node's by its source, but a peer's first.
  u32 outward(int family, const u8* source, const u8* destination) const {
    const Routes& routes = tables.routes();
    if (options.homeAgent) return routes.mobile(family, destination);
    const u32 peer = routes.peer(family, destination);
    // What is virtual leaves by its own tunnel or not at all.
    return peer != 0 || routes.isVirtual(family, destination) ? peer
                                                              : routes.mobile(family, source);
  }
  u32 outward(const PacketView& view) const {
    return outward(view.family, view.source(), view.destination());
  }

  // Whether what goes into it now would leave. Null: no tunnel.
  bool canSend(const Tunnel* tunnel) const {
    return tunnel != nullptr &&
           (tunnel->encapsulation != Encapsulation::sealed || tables.sender(tunnel->id) != nullptr);
  }

  // The one tunnel that an inner packet may have come through, 0 = none: by the address that is
  // looked up when sending, on the other side of it.
  u32 inward(const PacketView& view) const {
    const Routes& routes = tables.routes();
    if (options.homeAgent) return routes.mobile(view.family, view.source());
    const u32 peer = routes.peer(view.family, view.source());
    if (peer != 0 && routes.isOwn(view.family, view.destination())) return peer;
    if (peer != 0 || routes.isVirtual(view.family, view.source())) return 0;
    const u32 mobile = routes.mobile(view.family, view.destination());
    return mobile != 0 && routes.isPeers(mobile) ? 0 : mobile;
  }
};

inline u64 monotonicMs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<u64>(now.tv_sec) * 1000 + static_cast<u64>(now.tv_nsec) / 1000000;
}

}  // namespace sojourn
