#include "plane/path-errors.h"

#include <algorithm>

#include "net/home-address.h"
#include "sockets/route-mtu.h"

namespace sojourn {
namespace {

constexpr size_t kUsualMtu = 1500;
constexpr u32 kIcmpHeader = 8;
// RFC 4443 §3.
constexpr u8 kUnreachable = 1;
constexpr u8 kPacketTooBig = 2;
constexpr u8 kParameterProblem = 4;

// The octets of the outer headers in the quoted packet. Raw sockets quote from there on, UDP
// sockets from behind them.
size_t outerHeaderOf(const ErrorReport& report, Carrier carrier) {
  if (carrier == Carrier::udp) return 0;
  return report.family == 6 ? kIpv6Header : kIpv4Header;
}

// A probe passed that was larger than what errors said, a moment ago.
bool isRefuted(const Endpoint& endpoint) {
  return endpoint.limits.learnt() == 0 && endpoint.learntUntil.isSet() &&
         endpoint.learntUntil.isPending(monotonicMs());
}

// The datagrams of a relay leg have any size.
size_t largestOuter(const Tunnel& tunnel) {
  return tunnel.relayLeg ? kUsualMtu : tunnel.outerLength(tunnel.mtu);
}

}  // namespace

void PathErrors::learnFrom(int fd, Carrier carrier, Protection protection) {
  drainErrors(fd, [&](const ErrorReport& report) { handle(report, carrier, protection); });
}

void PathErrors::handle(const ErrorReport& report, Carrier carrier, Protection protection) {
  Endpoint::Key farEnd{.remote = report.remote,
                       .port = carrier == Carrier::udp ? report.port : u16{0},
                       .family = report.family,
                       .encapsulation = {carrier, protection}};
  Endpoint* endpoint = find(farEnd);
  // The host may have other tunnels.
  if (endpoint == nullptr && carrier == Carrier::ip) return;
  const size_t outer = outerHeaderOf(report, carrier);
  SentRecord::Sent sent;
  if (report.quotedLength > outer) {
    sent = shared_.sent.find(farEnd, report.quoted + outer, report.quotedLength - outer);
  }
  if (sent.octets == 0) counters_.add(Counters::pathErrorsUnproved);
  if (endpoint == nullptr) return;
  if (sent.octets == 0) {
    hint(*endpoint);
    return;
  }
  if (report.mtu != 0) tooBig(*endpoint, report.mtu, sent);
  if (report.unreachable) relay(report, *endpoint, outer);
}

// The far end with one of the encapsulations that share the socket, which `farEnd` gets.
Endpoint* PathErrors::find(Endpoint::Key& farEnd) const {
  Endpoint* endpoint = shared_.tables.endpoint(farEnd);
  if (endpoint == nullptr && farEnd.encapsulation == kPlainUdp && shared_.options.sharesPort()) {
    farEnd.encapsulation = kSealedUdp;
    endpoint = shared_.tables.endpoint(farEnd);
  }
  if (endpoint != nullptr || !isEsp(farEnd.encapsulation.protection())) return endpoint;
  for (const Protection algorithm : kEspProtections) {
    farEnd.encapsulation = {farEnd.encapsulation.carrier(), algorithm};
    endpoint = shared_.tables.endpoint(farEnd);
    if (endpoint != nullptr) break;
  }
  return endpoint;
}

// A router returned a packet; or the source of the inner packet, which knows what it sent, pretends
// that. What the router says about a probe decides.
void PathErrors::tooBig(Endpoint& endpoint, u16 reported, const SentRecord::Sent& sent) {
  if (reported >= sent.octets || reported < smallestPathMtu(endpoint.identity.family)) {
    counters_.add(Counters::pathErrorsOutOfRange);
  } else if (isRefuted(endpoint)) {
    counters_.add(Counters::pathErrorsRefuted);
    hint(endpoint);
  } else if (!sent.secret) {
    counters_.add(Counters::pathErrorsUnconfirmed);
    hint(endpoint);
  } else {
    lower(endpoint, reported, true);
  }
}

// Makes the next probe due, and lets the next error about a sealed datagram prove itself. At most
// once in two seconds.
void PathErrors::hint(Endpoint& endpoint) {
  const u64 nowMs = monotonicMs();
  if (endpoint.recordAllUntil.isPending(nowMs)) return;
  endpoint.recordAllUntil.set(nowMs, SentRecord::kRecordAllMs);
  endpoint.noProbeUntil.clear();
}

// Relays the error only if the inner packet would be sent to that endpoint now. This ignores errors
// about an address that the node has left.
void PathErrors::relay(const ErrorReport& report, const Endpoint& endpoint, size_t outer) {
  // The quoted packet is ciphertext.
  if (endpoint.identity.encapsulation.protection() != Protection::none) return;
  if (outer > 0) {
    const u8 protocol = report.quoted[report.family == 6 ? 6 : 9];
    if (protocol != kProtocolIpv6 && protocol != kProtocolIpv4) return;
  }
  PacketView inner;
  if (!viewQuoted(report.quoted + outer, report.quotedLength - outer, inner)) return;
  const Tunnel* tunnel = shared_.tables.tunnel(shared_.outwardTunnel(inner));
  if (tunnel == nullptr || !(tunnel->endpoint->identity == endpoint.identity)) return;
  sender_.unreachable(inner, *tunnel, monotonicMs());
}

bool PathErrors::learnFromOptimized(const PacketView& error, u32 offset) {
  if (offset + kIcmpHeader > error.length) return false;
  const u8 type = error.data[offset];
  PacketView quoted;
  u8* quotation = error.data + offset + kIcmpHeader;
  if (!viewQuoted(quotation, error.length - offset - kIcmpHeader, quoted)) return false;
  if (type > kParameterProblem || quoted.family != 6) return false;
  if (std::memcmp(quoted.source(), error.destination(), 16) != 0) return false;
  const Endpoint::Key farEnd{
      .remote = Address::of(6, quoted.destination()), .family = 6, .encapsulation = kOptimized};
  Endpoint* endpoint = shared_.tables.endpoint(farEnd);
  if (endpoint == nullptr) return false;
  const SentRecord::Sent sent =
      shared_.sent.find(farEnd, quoted.data + kIpv6Header, quoted.length - kIpv6Header);
  if (sent.octets == 0) {
    counters_.add(Counters::pathErrorsUnproved);
    hint(*endpoint);
    return false;
  }
  if (type == kPacketTooBig) {
    const u32 mtu = load32(error.data + offset + 4);
    if (mtu >= sent.octets || mtu < kIpv6MinimumMtu) {
      counters_.add(Counters::pathErrorsOutOfRange);
      return false;
    }
    lower(*endpoint, mtu, true);
  }
  relayOptimized(error, offset, *endpoint);
  return type == kUnreachable || type == kParameterProblem;
}

// The packet as its source knows it.
void PathErrors::relayOptimized(const PacketView& error, u32 offset, const Endpoint& endpoint) {
  u8* icmp = error.data + offset;
  std::vector<u8> copy(icmp + kIcmpHeader, error.data + error.length);
  PacketView packet;
  HomeAddressHeaders headers;
  if (!viewQuoted(copy.data(), copy.size(), packet)) return;
  if (!findHomeAddressHeaders(packet, headers)) return;
  const u32 payload = load16(packet.data + 4);
  const u32 removed = exchangeHomeAddresses(packet, headers);
  if (payload < removed) return;
  store16(packet.data + 4, payload - removed);
  const Tunnel* tunnel = shared_.tables.tunnel(shared_.outwardTunnel(packet));
  if (tunnel == nullptr || !(tunnel->endpoint->identity == endpoint.identity)) return;
  if (icmp[0] == kPacketTooBig) {
    sender_.packetTooBig(packet, *tunnel, tunnel->effectiveMtu(), monotonicMs());
  } else {
    sender_.relay(packet, {.type = icmp[0], .code = icmp[1]}, Address::of(6, error.source()),
                  monotonicMs());
  }
}

size_t PathErrors::askRoute(const Tunnel& tunnel) {
  const size_t mtu = routeMtu(tunnel.path, shared_.options.mark);
  if (mtu != 0 && mtu < largestOuter(tunnel)) lower(*tunnel.endpoint, mtu, false);
  return mtu;
}

// Behind the route may be a transform (IPsec) that needs room. Only the cached path MTU shows it,
// which errors write as well, and in a flood of errors each call reports one: a probe decides.
void PathErrors::refused(const Tunnel& tunnel) {
  const size_t largest = largestOuter(tunnel);
  const size_t route = askRoute(tunnel);
  if (route != 0 && route < largest) return;
  const size_t cached = cachedPathMtu(tunnel.path, shared_.options.mark);
  if (cached != 0 && cached < largest) hint(*tunnel.endpoint);
}

void PathErrors::lower(Endpoint& endpoint, size_t said, bool fromError) {
  const size_t smallest = smallestPathMtu(endpoint.identity.family);
  const auto mtu = static_cast<u16>(std::max(said, smallest));
  const u16 before = endpoint.limits.learnt();
  if (before != 0 && before <= mtu) return;
  // Before the size changes: an older search knows that a larger one passed.
  shared_.prober.restart(endpoint);
  endpoint.learntUntil.set(monotonicMs(), kLifetimeMs);
  endpoint.learntFromError.store(fromError, std::memory_order_relaxed);
  endpoint.limits.setLearnt(mtu);
  counters_.add(Counters::pathMtuLearnt);
}

}  // namespace sojourn
