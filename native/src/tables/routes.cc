#include "tables/routes.h"

namespace sojourn {
namespace {

void setRoute(PrefixTable<Route>& table, const IpPrefix& prefix, u32 tunnel, EpochDomain& domain) {
  if (Route* route = table.findExact(prefix)) {
    route->tunnel.store(tunnel, std::memory_order_seq_cst);
  } else {
    table.set(prefix, new Route(masked(prefix.address, prefix.length), tunnel), domain);
  }
}

}  // namespace

Address masked(const Address& address, unsigned length) {
  Address result;
  const u64 highMask = length >= 64 ? ~u64{0} : length == 0 ? 0 : ~u64{0} << (64 - length);
  const u64 lowMask = length <= 64 ? 0 : length >= 128 ? ~u64{0} : ~u64{0} << (128 - length);
  const u64 high = address.high() & __builtin_bswap64(highMask);
  const u64 low = address.low() & __builtin_bswap64(lowMask);
  std::memcpy(result.bytes, &high, 8);
  std::memcpy(result.bytes + 8, &low, 8);
  return result;
}

void Routes::set(const RouteSpec& spec, EpochDomain& domain) {
  if (!spec.peer) {
    setRoute(mobile_, spec.prefix, spec.tunnel, domain);
    erasePeer(spec.prefix, domain);
    return;
  }
  const u32 former = tunnelOf(peers_.findExact(spec.prefix));
  if (former == spec.tunnel) return;
  // Before the route, so that even the first packet out of the tunnel is checked as a peer's.
  countPeer(spec.tunnel, domain);
  setRoute(peers_, spec.prefix, spec.tunnel, domain);
  if (former != 0) discountPeer(former, domain);
  mobile_.erase(spec.prefix, domain);
}

void Routes::erase(const RouteSpec& spec, EpochDomain& domain) {
  if (spec.peer) {
    if (tunnelOf(peers_.findExact(spec.prefix)) == spec.tunnel) erasePeer(spec.prefix, domain);
  } else if (tunnelOf(mobile_.findExact(spec.prefix)) == spec.tunnel) {
    mobile_.erase(spec.prefix, domain);
  }
}

void Routes::erasePeer(const IpPrefix& prefix, EpochDomain& domain) {
  const u32 tunnel = tunnelOf(peers_.findExact(prefix));
  if (tunnel == 0) return;
  peers_.erase(prefix, domain);
  discountPeer(tunnel, domain);
}

void Routes::countPeer(u32 tunnel, EpochDomain& domain) {
  if (PeerTunnel* known = peerTunnels_.find(tunnel)) {
    known->prefixes++;
  } else {
    peerTunnels_.set(new PeerTunnel{tunnel, 1}, domain);
  }
}

void Routes::discountPeer(u32 tunnel, EpochDomain& domain) {
  PeerTunnel* known = peerTunnels_.find(tunnel);
  if (known != nullptr && --known->prefixes == 0) peerTunnels_.erase(tunnel, domain);
}

void Routes::overlaySet(const OverlaySpec& spec, EpochDomain& domain) {
  overlays_.set(spec.prefix,
                new Overlay{masked(spec.prefix.address, spec.prefix.length), spec.address}, domain);
}

}  // namespace sojourn
