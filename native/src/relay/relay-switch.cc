#include "relay/relay-switch.h"

namespace sojourn {
namespace {

constexpr u32 bitOf(DatagramType type) { return u32{1} << static_cast<u8>(type); }

// docs/reference/ntmobile.md §3: an envelope carries a datagram of any type but its own.
constexpr u32 kForwarded = bitOf(DatagramType::data) | bitOf(DatagramType::control) |
                           bitOf(DatagramType::initiation) | bitOf(DatagramType::response) |
                           bitOf(DatagramType::cookie);

bool isForwardable(const u8* datagram, size_t length) {
  if (length < kRelayEnvelope + sizeof(u32)) return false;
  return (kForwarded & bitOf(datagramType(datagram + kRelayEnvelope))) != 0;
}

u64 countOf(const DatagramTrain& run) { return (run.length + run.segment - 1) / run.segment; }

// The first datagrams of `train` that have the same envelope and are all forwardable, or all not.
DatagramTrain firstRun(const DatagramTrain& train, bool forwardable) {
  DatagramTrain run = train;
  const u32 envelope = raw32(train.data);
  size_t at = train.sizeAt(0);
  while (at < train.length) {
    const size_t size = train.sizeAt(at);
    if (size < kRelayEnvelope || raw32(train.data + at) != envelope) break;
    if (isForwardable(train.data + at, size) != forwardable) break;
    at += size;
  }
  run.length = at;
  return run;
}

}  // namespace

size_t RelaySwitch::takeFrom(const RelayLeg& leg, const DatagramTrain& train, u64 nowMs) {
  const bool forwardable = isForwardable(train.data, train.sizeAt(0));
  const DatagramTrain run = firstRun(train, forwardable);
  const u64 count = countOf(run);
  if (!(leg.tunnel.endpoint->identity == train.from)) {
    drop(leg, RelayDrop::source, count);
    return run.length;
  }
  leg.tunnel.received(run.length);
  TunnelCounters& counters = leg.state->counters;
  counters.receivePackets.fetch_add(count, std::memory_order_relaxed);
  counters.receiveOctets.fetch_add(run.length, std::memory_order_relaxed);
  counters.receivedAt(nowMs);
  const RelayLeg* other = legs_.find(leg.other);
  if (!forwardable) {
    drop(leg, RelayDrop::type, count);
  } else if (other == nullptr) {
    drop(leg, RelayDrop::alone, count);
  } else {
    forward(*other, run, nowMs);
  }
  return run.length;
}

void RelaySwitch::drop(const RelayLeg& leg, RelayDrop reason, u64 count) {
  const auto at = static_cast<size_t>(reason);
  leg.state->drops[at].fetch_add(count, std::memory_order_relaxed);
  counters_.add(kRelayDropCounters[at], count);
}

// The whole run, or if that exceeds a limit of the leg, the datagrams that do not.
void RelaySwitch::forward(const RelayLeg& to, const DatagramTrain& run, u64 nowMs) {
  RelayDrop reason{};
  if (to.admits(run.length, nowMs, reason)) {
    send(to, run, nowMs);
    return;
  }
  for (size_t at = 0; at < run.length; at += run.segment) {
    DatagramTrain one = run;
    one.data += at;
    one.length = run.sizeAt(at);
    if (to.admits(one.length, nowMs, reason)) {
      send(to, one, nowMs);
    } else {
      drop(to, reason, 1);
    }
  }
}

// The path MTU for packets of `outer` octets; 0: unknown. No search asks for the MTU of a leg's
// route.
size_t RelaySwitch::pathMtu(const Tunnel& tunnel, size_t outer, u64 nowMs) {
  Endpoint& endpoint = *tunnel.endpoint;
  if (outer > smallestPathMtu(tunnel.path.family) && !endpoint.noProbeUntil.isPending(nowMs)) {
    endpoint.noProbeUntil.set(nowMs, PathProber::kUnansweredMs);
    pathErrors_.askRoute(tunnel);
  }
  return PathErrors::pathMtu(endpoint, nowMs);
}

// A datagram that exceeds the path MTU is sent in fragments. The relay has no key to report the MTU
// with to the sealing host, whose next datagrams would be as large.
void RelaySwitch::send(const RelayLeg& to, const DatagramTrain& run, u64 nowMs) {
  const Tunnel& tunnel = to.tunnel;
  const u8 family = tunnel.path.family;
  const size_t pathMtu = this->pathMtu(tunnel, run.sizeAt(0) + tunnel.path.headers(), nowMs);
  const u32 envelope = firstWord(DatagramType::envelope, to.index);
  for (size_t at = 0; at < run.length; at += run.segment) {
    u8* datagram = run.data + at;
    const size_t size = run.sizeAt(at);
    store32(datagram, envelope);
    if (size > kMaximumDatagram) {
      counters_.add(Counters::dropTooBig);
    } else if (pathMtu != 0 && size + tunnel.path.headers() > pathMtu) {
      // Earlier datagrams are sent first.
      batchOf(to).flush();
      const OuterPayload payload{.data = datagram,
                                 .length = size,
                                 .protocol = kProtocolNone,
                                 .trafficClass = run.trafficClass};
      slowPath_.sendFragmented(tunnel, payload);
    } else {
      batchOf(to).add({.tunnel = &tunnel,
                       .family = family,
                       .trafficClass = run.trafficClass,
                       .partCount = 1,
                       .parts = {{datagram, size}, {}}});
    }
  }
}

}  // namespace sojourn
