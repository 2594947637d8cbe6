// The far end of tunnels and relay legs: its path MTU and its anti-amplification limit.
#pragma once
#include <atomic>

#include "base/seeded-hash.h"
#include "base/short-deadline.h"
#include "net/amplification-limit.h"
#include "net/outer-path.h"
#include "tables/protection.h"

namespace sojourn {

// A carrier and a protection in one octet.
class Encapsulation {
 public:
  constexpr Encapsulation(Carrier carrier, Protection protection)
      : octet_(static_cast<u8>(static_cast<u8>(carrier) | static_cast<u8>(protection) << 4)) {}

  constexpr u8 octet() const { return octet_; }
  constexpr Carrier carrier() const { return static_cast<Carrier>(octet_ & 15); }
  constexpr Protection protection() const { return static_cast<Protection>(octet_ >> 4); }
  constexpr bool operator==(const Encapsulation& other) const = default;

 private:
  u8 octet_;
};

inline constexpr Encapsulation kIpInIp{Carrier::ip, Protection::none};
inline constexpr Encapsulation kPlainUdp{Carrier::udp, Protection::none};
inline constexpr Encapsulation kOptimized{Carrier::optimized, Protection::none};
inline constexpr Encapsulation kSealedUdp{Carrier::udp, Protection::sealed};
// Any algorithm: the port of ESP in UDP (RFC 3948).
inline constexpr Encapsulation kEspUdp{Carrier::udp, Protection::espGcm};

// The largest outer packet to a far end in octets: as ICMP says, and as probes say
// (path-mtu/path-prober.h); 0: no limit is known. One word, because every packet that is sent reads
// it.
class PathLimits {
 public:
  u16 learnt() const { return static_cast<u16>(word()); }
  u16 probed() const { return static_cast<u16>(word() >> 16); }
  bool known() const { return word() != 0; }
  // The smaller of the two that are known.
  size_t least() const {
    const u32 both = word();
    const u32 low = both & 0xffff;
    const u32 high = both >> 16;
    if (low == 0 || high == 0) return low | high;
    return low < high ? low : high;
  }
  void setLearnt(u16 octets) { set(0xffff, octets); }
  void setProbed(u16 octets) { set(0xffff'0000, u32{octets} << 16); }

 private:
  u32 word() const { return octets_.load(std::memory_order_relaxed); }
  void set(u32 mask, u32 bits) {
    u32 before = word();
    while (!octets_.compare_exchange_weak(before, (before & ~mask) | bits,
                                          std::memory_order_relaxed)) {
    }
  }

  std::atomic<u32> octets_{0};
};

// One address and port at which the plane reaches tunnels of one carrier and one protection.
struct Endpoint {
  struct Key {
    Address remote{};
    u16 port = 0;
    u8 family = 4;
    Encapsulation encapsulation = kPlainUdp;

    static Key of(const OuterPath& path, Protection protection) {
      return {.remote = path.remote,
              .port = path.remotePort,
              .family = path.family,
              .encapsulation = {path.carrier, protection}};
    }
    // One word, because every received packet is compared.
    u32 rest() const { return raw32(reinterpret_cast<const u8*>(this) + sizeof remote); }
    bool operator==(const Key& other) const {
      return remote == other.remote && rest() == other.rest();
    }
  };

  static_assert(sizeof(Key) == sizeof(Address) + sizeof(u32), "no padding");

  Key identity;
  PathLimits limits;
  // How long `limits.learnt()` is believed (RFC 8201 §4). While nothing is learnt: how long ICMP
  // errors are not, because probes refuted one (plane/path-errors.h).
  ShortDeadline<600'000> learntUntil;
  // A large packet starts no search before this (path-mtu/path-prober.h).
  ShortDeadline<60'000> noProbeUntil;
  // A search looks for no larger size before this.
  ShortDeadline<600'000> noRaiseUntil;
  // The kernel refused UDP_SEGMENT to this far end.
  ShortDeadline<60'000> oneByOneUntil;
  // Tunnels and legs that lead here.
  u32 references = 1;
  // All packets to this far end are recorded (plane/sent-record.h).
  ShortDeadline<2'000> recordAllUntil;
  // Searches for a larger size since the size was lowered.
  std::atomic<u8> raises{0};
  // `limits.learnt()` is what an ICMP error said, and not the MTU of the route.
  std::atomic<bool> learntFromError{false};

  explicit Endpoint(const Key& key) : identity(key) {}
  Key key() const { return identity; }
  bool matches(const Key& other) const { return identity == other; }
  static u64 hash(const Key& key) {
    const u64 rest = u64{key.port} << 16 | u64{key.family} << 8 | key.encapsulation.octet();
    return mixKey(key.remote.high() ^ rest, key.remote.low());
  }
  static void release(Endpoint* endpoint) { delete endpoint; }
};

// malloc needs 64 octets for more.
static_assert(sizeof(Endpoint) <= 40);

struct FarEnd {
  Endpoint* endpoint = nullptr;
  // Null: the peer address is validated.
  AmplificationLimit* limit = nullptr;
};

}  // namespace sojourn
