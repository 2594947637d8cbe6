#include "tables/routes.h"

namespace sojourn {
namespace {

u32 present(const Route* route) {
  return route == nullptr ? 0 : route->tunnel.load(std::memory_order_relaxed);
}

void lead(PrefixTable<Route>& table, const IpPrefix& prefix, u32 tunnel, EpochDomain& domain) {
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
    lead(mobile_, spec.prefix, spec.tunnel, domain);
    erasePeer(spec.prefix, domain);
    return;
  }
  const u32 former = present(peers_.findExact(spec.prefix));
  if (former == spec.tunnel) return;
  // Before the route: what comes through the tunnel is judged as a peer's from its first packet on.
  countPeer(spec.tunnel, domain);
  lead(peers_, spec.prefix, spec.tunnel, domain);
  if (former != 0) discountPeer(former, domain);
  mobile_.erase(spec.prefix, domain);
}

void Routes::erase(const RouteSpec& spec, EpochDomain& domain) {
  if (spec.peer) {
    if (present(peers_.findExact(spec.prefix)) == spec.tunnel) erasePeer(spec.prefix, domain);
  } else if (present(mobile_.findExact(spec.prefix)) == spec.tunnel) {
    mobile_.erase(spec.prefix, domain);
  }
}

void Routes::erasePeer(const IpPrefix& prefix, EpochDomain& domain) {
  const u32 tunnel = present(peers_.findExact(prefix));
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
