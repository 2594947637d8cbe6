// The objects that the packet threads of one plane share.
#pragma once
#include <functional>

#include "base/clock.h"
#include "control/control-gate.h"
#include "plane/hold-queue.h"
#include "plane/options.h"
#include "path-mtu/path-prober.h"
#include "plane/punt-queue.h"
#include "plane/send-sockets.h"
#include "plane/sent-record.h"
#include "plane/traffic-notice.h"
#include "plane/transmit-queue.h"
#include "tables/counters.h"
#include "tables/tables.h"

namespace sojourn {

struct Shared {
  Shared(const Options& given, std::function<void()> wake)
      : options(given),
        udpPort(given.udpPort),
        espPort(given.espPort),
        tables(given.ownSlot() + 1),
        punts(std::move(wake)) {}

  const Options options;
  // The port that the sockets of RFC 5555 have now. Changes while no packet thread runs; elsewhere
  // `options.udpPort` stands for whichever port they have.
  u16 udpPort;
  // Likewise of ESP in UDP. Set once, before the packet threads start.
  u16 espPort;
  Features features;
  Tables tables;
  InwardHold inwardHold;
  OutwardHold outwardHold;
  TransmitQueue transmitQueue;
  PathProber prober;
  SentRecord sent;
  PuntQueue punts;
  ControlGate gate;
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

  // RFC 6275 §9.3.1: the tunnel of a home address that has a binding, if the care-of address is the
  // source of the packet. Of a correspondent node's addresses, only one knows the binding.
  const Tunnel* boundTunnel(const u8* homeAddress, const PacketView& packet) const {
    if (options.lookup != TunnelLookup::byInnerDestination) return nullptr;
    const Tunnel* tunnel = tables.tunnel(tables.routes().home(6, homeAddress));
    if (tunnel == nullptr || tunnel->path.family != 6) return nullptr;
    if (!(tunnel->path.remote == Address::of(6, packet.source()))) return nullptr;
    const Encapsulation& encapsulation = tunnel->endpoint->identity.encapsulation;
    if (encapsulation == kIpInIp) return tunnel;
    const bool here = tunnel->path.local == Address::of(6, packet.destination());
    return encapsulation == kOptimized && here ? tunnel : nullptr;
  }

  // RFC 6275 §11.3.3: a home address of this mobile node, whose tunnel is not sealed.
  bool isOwnHomeAddress(const u8* address) const {
    if (options.lookup == TunnelLookup::byInnerDestination) return false;
    const Tunnel* tunnel = tables.tunnel(tables.routes().home(6, address));
    return tunnel != nullptr && tunnel->protection == Protection::none &&
           tables.isLocal(6, address);
  }

  // Whether a packet for `tunnel` (null: none) could be sent now.
  bool canSend(const Tunnel* tunnel) const {
    if (tunnel == nullptr) return false;
    if (tunnel->protection == Protection::none) return true;
    if (isEsp(tunnel->protection)) return tables.espSendKey(tunnel->id) != nullptr;
    return tables.sendKey(tunnel->id) != nullptr;
  }
};

}  // namespace sojourn
