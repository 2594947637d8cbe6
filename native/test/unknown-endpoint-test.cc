// The limit of notices about endpoints without a tunnel.
#include <memory>

#include "plane/receive/unknown-endpoint-limit.h"
#include "check.h"

using namespace sojourn;

namespace {

constexpr size_t kAnswer = 64;

Endpoint::Key from4(u32 host, u16 port) {
  Endpoint::Key key{.port = port, .family = 4};
  store32(key.remote.bytes, host);
  return key;
}

Endpoint::Key from6(u32 network, u32 link, u32 host) {
  Endpoint::Key key{.family = 6, .encapsulation = kIpInIp};
  store32(key.remote.bytes, 0x20010db8);
  store16(key.remote.bytes + 4, network);
  store16(key.remote.bytes + 6, link);
  store32(key.remote.bytes + 12, host);
  return key;
}

struct Limited {
  std::unique_ptr<UnknownEndpointLimit> limit = std::make_unique<UnknownEndpointLimit>(1);

  // Packets that are reported, of `count` with 100 octets each.
  template <class From>
  u32 allowed(u32 count, u64 nowMs, From from) {
    u32 sum = 0;
    for (u32 index = 0; index < count; index++) {
      sum += limit->allow(from(index), 100, kAnswer, nowMs) ? 1u : 0u;
    }
    return sum;
  }
};

}  // namespace

TEST(unknown_endpoints_are_limited_each) {
  Limited limited;
  const auto same = [](u32) { return from4(0xcb007101, 40000); };
  CHECK_EQUAL(limited.allowed(1000, 1000, same), 2);
  CHECK_EQUAL(limited.allowed(1000, 1999, same), 0);
  CHECK_EQUAL(limited.allowed(1000, 2000, same), 1);
  CHECK_EQUAL(limited.allowed(1000, 60'000, same), 2);
}

TEST(unknown_endpoints_of_one_host_or_network_share_a_limit) {
  Limited limited;
  CHECK(limited.allowed(5000, 1000, [](u32 n) { return from4(0xcb007101, u16(n)); }) <= 16);
  CHECK(limited.allowed(5000, 1000, [](u32 n) { return from4(0xcb007100 | n % 256, u16(n)); }) <=
        16);
  CHECK(limited.allowed(5000, 1000, [](u32 n) { return from6(1, 1, n); }) <= 16);
  CHECK(limited.allowed(5000, 1000, [](u32 n) { return from6(1, n, 1); }) <= 16);
  CHECK(limited.allowed(50'000, 1000, [](u32 n) { return from6(n, 1, 1); }) <= 1000 - 16);
}

TEST(unknown_endpoints_are_limited_in_total) {
  Limited limited;
  const auto any = [](u32 n) { return from4(0x0a000000 + n * 256, 4191); };
  const u32 burst = limited.allowed(100'000, 1000, any);
  CHECK(burst > 900 && burst <= 1000);
  CHECK(limited.allowed(100'000, 1100, any) <= 100);
}

TEST(unknown_endpoints_get_no_more_octets_than_they_sent) {
  Limited limited;
  const auto same = from4(0xcb007101, 40000);
  u64 sent = 0;
  u64 answered = 0;
  for (u64 nowMs = 1000; nowMs < 200'000; nowMs += 700) {
    sent += 28;
    if (limited.limit->allow(same, 28, kAnswer, nowMs)) answered += kAnswer;
    CHECK(answered <= sent);
  }
  CHECK(answered > 0);
}
