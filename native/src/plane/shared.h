// The objects that the packet threads of one plane share.
#pragma once
#include <functional>

#include "base/clock.h"
#include "plane/hold-queue.h"
#include "plane/options.h"
#include "plane/punt-queue.h"
#include "plane/send-sockets.h"
#include "plane/traffic-notice.h"
#include "plane/transmit-queue.h"
#include "tables/counters.h"
#include "tables/tables.h"

namespace sojourn {

struct Shared {
  Shared(const Options& given, std::function<void()> wake)
      : options(given), tables(given.ownSlot() + 1), punts(std::move(wake)) {}

  const Options options;
  Features features;
  Tables tables;
  InwardHold inwardHold;
  OutwardHold outwardHold;
  TransmitQueue transmitQueue;
  PuntQueue punts;
  TrafficNotice trafficNotice;

  // The tunnel to send an inner packet into, 0: none. On a mobile node the tunnel of a peer's
  // prefix goes before that of the packet's own source.
  u32 outwardTunnel(int family, const u8* source, const u8* destination) const {
    const Routes& routes = tables.routes();
    if (options.lookup == TunnelLookup::byInnerDestination) {
      return routes.mobile(family, destination);
    }
    const u32 peer = routes.peer(family, destination);
    if (peer != 0) return peer;
    // A virtual address is reached through its own tunnel only.
    return routes.isVirtual(family, destination) ? 0 : routes.mobile(family, source);
  }
  u32 outwardTunnel(const PacketView& view) const {
    return outwardTunnel(view.family, view.source(), view.destination());
  }

  // Ingress permit: the only tunnel that an inner packet may be received from, 0: none.
  u32 inwardTunnel(const PacketView& view) const {
    const Routes& routes = tables.routes();
    if (options.lookup == TunnelLookup::byInnerDestination) {
      return routes.mobile(view.family, view.source());
    }
    const u32 peer = routes.peer(view.family, view.source());
    if (peer != 0) return routes.isOwn(view.family, view.destination()) ? peer : 0;
    if (routes.isVirtual(view.family, view.source())) return 0;
    const u32 mobile = routes.mobile(view.family, view.destination());
    return mobile != 0 && routes.isPeerTunnel(mobile) ? 0 : mobile;
  }

  // Whether a packet for `tunnel` (null: none) could be sent now.
  bool canSend(const Tunnel* tunnel) const {
    if (tunnel == nullptr) return false;
    return tunnel->protection == Protection::none || tables.sendKey(tunnel->id) != nullptr;
  }
};

}  // namespace sojourn
