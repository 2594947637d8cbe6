#include "path-mtu/clamp-mss.h"

#include "check.h"
#include "packets.h"

using namespace sojourn;
using testing::Bytes;

namespace {

// A SYN with `options`, padded to four octets.
Bytes syn(int family, Bytes options, u8 flags = kTcpSyn) {
  options.resize((options.size() + 3) & ~size_t{3}, 0);
  const testing::Flow flow{.family = family};
  Bytes packet = testing::tcp(flow, 1, options.size(), flags);
  const size_t ip = family == 6 ? kIpv6Header : kIpv4Header;
  packet[ip + 12] = static_cast<u8>((5 + options.size() / 4) << 4);
  std::copy(options.begin(), options.end(), packet.begin() + static_cast<long>(ip) + 20);
  testing::fillTransport(packet, flow, ip);
  return packet;
}

struct Clamped {
  Bytes packet;
  bool changed;
};

Clamped clamp(Bytes packet, u16 mtu) {
  Tunnel tunnel;
  Endpoint endpoint{{}};
  tunnel.mtu = mtu;
  tunnel.endpoint = &endpoint;
  const bool changed = mayNeedClamping(testing::viewOf(packet)) &&
                       clampMss(testing::viewOf(packet), tunnel);
  return {packet, changed};
}

}  // namespace

TEST(mss_is_lowered_at_even_and_odd_offsets_with_the_right_checksum) {
  for (const int family : {4, 6}) {
    const u16 expected = static_cast<u16>(1300 - (family == 6 ? 60 : 40));
    for (size_t before = 0; before < 6; before++) {
      for (const u8 flags : {kTcpSyn, u8{kTcpSyn | 0x10}}) {
        Bytes options(before, 1);
        options.insert(options.end(), {2, 4, 0x05, 0xb4, 4, 2});
        Clamped clamped = clamp(syn(family, options, flags), 1300);
        CHECK(clamped.changed);
        CHECK(testing::transportRight(clamped.packet));
        const size_t tcp = family == 6 ? kIpv6Header : kIpv4Header;
        CHECK_EQUAL(load16(clamped.packet.data() + tcp + 20 + before + 2), expected);
      }
    }
  }
}

TEST(mss_is_never_raised_and_other_packets_stay) {
  const Bytes large{2, 4, 0x05, 0xb4};
  CHECK(!clamp(syn(6, {2, 4, 0x02, 0x00}), 1300).changed);
  CHECK(!clamp(syn(6, large), 1520).changed);
  CHECK(!clamp(syn(6, large, 0x10), 1300).changed);           // no SYN
  CHECK(!clamp(syn(6, {1, 1, 1, 1}), 1300).changed);          // no option
  CHECK(!clamp(syn(6, {0, 2, 4, 5, 0xb4}), 1300).changed);    // behind the end of the options
  CHECK(!clamp(syn(6, {2, 3, 0x05, 0xb4}), 1300).changed);    // of another length
  CHECK(!clamp(syn(6, {8, 0, 2, 4, 5, 0xb4}), 1300).changed); // an option without length
  CHECK(!clamp(syn(6, {3, 3, 7, 2}), 1300).changed);          // cut off
  CHECK(!clamp(testing::udp({}, 100), 1300).changed);
  Bytes fragment = syn(4, large);
  fragment[6] = 0x20;
  CHECK(!clamp(fragment, 1300).changed);
}

TEST(mss_behind_extension_headers_is_lowered) {
  Bytes packet = syn(6, {2, 4, 0x05, 0xb4});
  const u8 options[8] = {kProtocolTcp, 0, 1, 4, 0, 0, 0, 0};
  packet.insert(packet.begin() + kIpv6Header, options, options + 8);
  packet[6] = kProtocolDestination;
  store16(packet.data() + 4, load16(packet.data() + 4) + 8u);
  Clamped clamped = clamp(packet, 1300);
  CHECK(clamped.changed);
  CHECK_EQUAL(load16(clamped.packet.data() + 48 + 22), 1240);
}

TEST(truncated_and_random_syns_are_safe) {
  Bytes packet = syn(6, {1, 2, 4, 0x05, 0xb4, 1, 1, 1});
  for (size_t at = kIpv6Header + 12; at < packet.size(); at++) {
    for (int value = 0; value < 256; value++) {
      Bytes changed = packet;
      changed[at] = static_cast<u8>(value);
      changed.shrink_to_fit();
      clamp(changed, 1300);
    }
  }
}
