#include "relay/relay-switch.h"

namespace sojourn {
namespace {

constexpr u32 bitOf(DatagramType type) { return u32{1} << static_cast<u8>(type); }

// docs/ntmobile.md §3: a whole datagram of another type but the envelope's.
constexpr u32 kPassedOn = bitOf(DatagramType::data) | bitOf(DatagramType::control) |
                          bitOf(DatagramType::initiation) | bitOf(DatagramType::response) |
                          bitOf(DatagramType::cookie);

bool mayPass(const u8* datagram, size_t length) {
  return length >= kEnvelope + sizeof(u32) && (kPassedOn >> (datagram[kEnvelope] >> 4) & 1) != 0;
}

u64 countOf(const DatagramTrain& run) { return (run.length + run.segment - 1) / run.segment; }

// The datagrams at the front that are in the same envelope as the first one and, like it, may pass
// or may not.
DatagramTrain runOf(const DatagramTrain& train, bool pass) {
  DatagramTrain run = train;
  const u32 envelope = raw32(train.data);
  size_t at = train.sizeAt(0);
  while (at < train.length) {
    const size_t size = train.sizeAt(at);
    if (size < kEnvelope || raw32(train.data + at) != envelope ||
        mayPass(train.data + at, size) != pass) {
      break;
    }
    at += size;
  }
  run.length = at;
  return run;
}

}  // namespace

size_t RelaySwitch::takeFrom(const RelayLeg& leg, const DatagramTrain& train, u64 nowMs) {
  const bool pass = mayPass(train.data, train.sizeAt(0));
  const DatagramTrain run = runOf(train, pass);
  const u64 count = countOf(run);
  if (!(leg.way.endpoint->identity == train.from)) {
    drop(leg, RelayDrop::source, count);
    return run.length;
  }
  leg.way.came(run.length);
  leg.state->counters.receivePackets.fetch_add(count, std::memory_order_relaxed);
  leg.state->counters.receiveOctets.fetch_add(run.length, std::memory_order_relaxed);
  leg.state->counters.lastReceivedMs.store(nowMs, std::memory_order_relaxed);
  const RelayLeg* other = legs_.find(leg.other);
  if (!pass) {
    drop(leg, RelayDrop::type, count);
  } else if (other == nullptr) {
    drop(leg, RelayDrop::alone, count);
  } else {
    passOn(*other, run, nowMs);
  }
  return run.length;
}

void RelaySwitch::drop(const RelayLeg& leg, RelayDrop reason, u64 count) {
  const auto at = static_cast<size_t>(reason);
  leg.state->drops[at].fetch_add(count, std::memory_order_relaxed);
  counters_.add(kRelayDropCounters[at], count);
}

// All of a run that may go, or of its datagrams those that may.
void RelaySwitch::passOn(const RelayLeg& to, const DatagramTrain& run, u64 nowMs) {
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

// What does not fit into the path leaves in fragments: a relay has no way to tell who sealed it,
// whose next datagrams would be no smaller.
void RelaySwitch::send(const RelayLeg& to, const DatagramTrain& run, u64 nowMs) {
  const Tunnel& way = to.way;
  const size_t pathMtu = PathErrors::pathMtu(*way.endpoint, nowMs);
  const u32 envelope = static_cast<u32>(DatagramType::envelope) << 28 | to.index;
  for (size_t at = 0; at < run.length; at += run.segment) {
    u8* datagram = run.data + at;
    const size_t size = run.sizeAt(at);
    store32(datagram, envelope);
    if (size > kMaximumDatagram) {
      counters_.add(Counters::dropTooBig);
    } else if (pathMtu != 0 && size + way.overhead() - way.sealing() > pathMtu) {
      // In order.
      batchOf(to).flush();
      slowPath_.sendFragmented(way, OuterPayload{datagram, size, way.family, run.trafficClass});
    } else {
      batchOf(to).add({&way, way.family, run.trafficClass, 1, {{datagram, size}, {}}});
    }
  }
}

}  // namespace sojourn
