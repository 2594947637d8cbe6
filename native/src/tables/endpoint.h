// The far end of tunnels and relay legs: its path MTU and its anti-amplification limit.
#pragma once
#include <atomic>

#include "base/seeded-hash.h"
#include "net/amplification-limit.h"
#include "net/outer-path.h"
#include "tables/protection.h"

namespace sojourn {

// One address and port at which the plane reaches tunnels of one carrier and one protection.
struct Endpoint {
  struct Key {
    Address remote{};
    u16 port = 0;
    u8 family = 4;
    Carrier carrier = Carrier::udp;
    Protection protection = Protection::none;

    static Key of(const OuterPath& path, Protection protection) {
      return {.remote = path.remote,
              .port = path.remotePort,
              .family = path.family,
              .carrier = path.carrier,
              .protection = protection};
    }
    bool operator==(const Key& other) const = default;
  };

  Key identity;
  // The largest outer packet in octets, 0: nothing learnt. `pathMtuAt` is in seconds of the
  // monotonic clock.
  std::atomic<u16> pathMtu{0};
  std::atomic<u32> pathMtuAt{0};
  // Tunnels and legs that lead here.
  u32 references = 1;

  explicit Endpoint(const Key& key) : identity(key) {}
  Key key() const { return identity; }
  bool matches(const Key& other) const { return identity == other; }
  static u64 hash(const Key& key) {
    const u64 rest = u64{key.port} << 24 | u64{key.family} << 16 |
                     static_cast<u64>(key.carrier) << 8 | static_cast<u64>(key.protection);
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
