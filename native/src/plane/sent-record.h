// Fingerprints of packets that were sent lately. An ICMP error counts only if it quotes one: an
// attacker that does not see the path cannot quote the sequence numbers and checksums in it (RFC
// 5927 §4, RFC 8201 §4).
//
// Each probe is recorded, and the first packet of each send call, which costs little beside the
// call. An error that proves nothing turns on the recording of all packets to its far end for a
// moment: what a router returns then proves the next error.
#pragma once
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "base/clock.h"
#include "tables/endpoint.h"

namespace sojourn {

class SentRecord {
 public:
  // Octets behind the outer header that a quotation must contain, or all that there were: enough
  // for the inner headers and the transport header.
  static constexpr size_t kQuoted = 64;
  // A packet is known for one to two of these periods.
  static constexpr u64 kPeriodMs = 8'192;
  static constexpr u64 kRecordAllMs = 2'000;

  // Packet threads report the time here before they send.
  void tick(u64 nowMs) {
    const u64 period = nowMs / kPeriodMs;
    if (period_.load(std::memory_order_relaxed) == period) return;
    period_.store(period, std::memory_order_relaxed);
  }

  // Whether every packet to the far end is recorded.
  static bool recordsAll(Endpoint& endpoint) {
    if (!endpoint.recordAllUntil.isSet()) return false;
    if (endpoint.recordAllUntil.isPending(monotonicMs())) return true;
    endpoint.recordAllUntil.clear();
    return false;
  }

  enum class Content : u8 {
    // The sender of the inner packet may know all of it.
    data,
    // Known on the path only, as are sealed datagrams.
    probe
  };
  struct Sent {
    // Octets of the outer packet; 0: none was sent lately.
    size_t octets = 0;
    bool secret = false;
  };

  // `outer`: octets of the outer packet. The parts are what is behind its headers.
  void record(const Endpoint::Key& farEnd, const iovec* parts, size_t count, size_t outer,
              Content content = Content::data) {
    Beginning beginning;
    for (size_t part = 0; part < count && beginning.length < kQuoted; part++) {
      beginning.append(parts[part].iov_base, parts[part].iov_len);
    }
    const u64 print = fingerprint(farEnd, beginning, period_.load(std::memory_order_relaxed));
    const bool unknown = isSecret(farEnd.encapsulation.protection());
    const u64 secret = unknown || content == Content::probe ? kSecret : 0;
    slots_[print % kSlots].store((print & kPrint) | secret | std::min<size_t>(outer, kSize),
                                 std::memory_order_relaxed);
  }

  // The packet that begins so.
  Sent find(const Endpoint::Key& farEnd, const u8* quoted, size_t length) const {
    Beginning beginning;
    beginning.append(quoted, length);
    const u64 period = period_.load(std::memory_order_relaxed);
    for (const u64 sent : {period, period - 1}) {
      const u64 print = fingerprint(farEnd, beginning, sent);
      const u64 slot = slots_[print % kSlots].load(std::memory_order_relaxed);
      if ((slot & kPrint) != (print & kPrint)) continue;
      return {.octets = slot & kSize, .secret = (slot & kSecret) != 0};
    }
    return {};
  }

 private:
  static constexpr size_t kSlots = 16384;
  // A slot: the fingerprint, without the bits that choose the slot, and what is known about it.
  static constexpr u64 kSize = 0xffff;
  static constexpr u64 kSecret = 0x10000;
  static constexpr u64 kPrint = ~(kSize | kSecret);

  // Zeros follow, as in the quotations of RFC 4884 §5.
  struct Beginning {
    u8 octets[kQuoted] = {};
    size_t length = 0;

    void append(const void* from, size_t more) {
      more = std::min(more, kQuoted - length);
      std::memcpy(octets + length, from, more);
      length += more;
    }
  };

  // Multiplies and folds, as wyhash does.
  u64 fingerprint(const Endpoint::Key& farEnd, const Beginning& beginning, u64 period) const {
    u64 hash = folded(farEnd.remote.high() ^ seed_, farEnd.remote.low() ^ farEnd.rest() ^ period);
    for (size_t at = 0; at < kQuoted; at += 16) {
      hash = folded(raw64(beginning.octets + at) ^ seed_, raw64(beginning.octets + at + 8) ^ hash);
    }
    return hash;
  }
  static u64 folded(u64 a, u64 b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<u64>(product) ^ static_cast<u64>(product >> 64);
  }

  // Odd: not zero.
  const u64 seed_ = mixKey(11, 0) | 1;
  std::atomic<u64> period_{0};
  std::array<std::atomic<u64>, kSlots> slots_{};
};

}  // namespace sojourn
