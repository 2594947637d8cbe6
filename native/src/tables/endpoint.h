// The far end of tunnels and relay legs: its path MTU and its anti-amplification limit.
#pragma once
#include <atomic>

#include "base/seeded-hash.h"
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
inline constexpr Encapsulation kSealedUdp{Carrier::udp, Protection::sealed};

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
  // The largest outer packet in octets, 0: nothing learnt. `pathMtuAt` is in seconds of the
  // monotonic clock.
  std::atomic<u16> pathMtu{0};
  std::atomic<u32> pathMtuAt{0};
  // The largest outer packet that passed by probes (path-mtu/path-prober.h); 0: no limit was found.
  std::atomic<u16> probedMtu{0};
  // When a large packet starts the next search, and when that looks for a larger size. In ms.
  std::atomic<u64> probeDueMs{0};
  std::atomic<u64> raiseDueMs{0};
  // The kernel refused UDP_SEGMENT to this far end; 0: it did not. In seconds of the same clock.
  std::atomic<u32> oneByOneUntil{0};
  // Tunnels and legs that lead here.
  u32 references = 1;

  explicit Endpoint(const Key& key) : identity(key) {}
  // The largest outer packet by ICMP and by probes; 0: nothing is known.
  size_t largestOuter() const {
    const u16 learnt = pathMtu.load(std::memory_order_relaxed);
    const u16 probed = probedMtu.load(std::memory_order_relaxed);
    if (learnt == 0 || probed == 0) return learnt | probed;
    return learnt < probed ? learnt : probed;
  }
  Key key() const { return identity; }
  bool matches(const Key& other) const { return identity == other; }
  static u64 hash(const Key& key) {
    const u64 rest = u64{key.port} << 16 | u64{key.family} << 8 | key.encapsulation.octet();
    return mixKey(key.remote.high() ^ rest, key.remote.low());
  }
  static void release(Endpoint* endpoint) { delete endpoint; }
};

struct FarEnd {
  Endpoint* endpoint = nullptr;
  // Null: the peer address is validated.
  AmplificationLimit* limit = nullptr;
};

}  // namespace sojourn
