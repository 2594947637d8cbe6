#include "net/home-address.h"

#include "check.h"
#include "packets.h"

using namespace sojourn;
using testing::Bytes;

namespace {

constexpr u8 kHome = 0x77;
constexpr u8 kUpperLayer = 0x55;

// IPv6 header, then `headers` (the first protocol is `protocol`), then eight octets of UDP.
Bytes packetWith(u8 protocol, const Bytes& headers) {
  Bytes packet(kIpv6Header);
  packet[0] = 0x60;
  packet[6] = protocol;
  packet.insert(packet.end(), headers.begin(), headers.end());
  packet.insert(packet.end(), 8, kUpperLayer);
  store16(packet.data() + 4, static_cast<u32>(packet.size() - kIpv6Header));
  return packet;
}

// Destination Options with four octets in front of the Home Address option.
Bytes homeAddressOption(u8 next, u8 other = 1) {
  Bytes header = {next, 2, other, 2, 0, 0, 201, 16};
  header.insert(header.end(), 16, kHome);
  return header;
}

Bytes typeTwoRouting(u8 next, u8 units = 2, u8 segmentsLeft = 1) {
  Bytes header = {next, units, 2, segmentsLeft, 0, 0, 0, 0};
  header.insert(header.end(), 16, kHome);
  header.resize(8u + units * 8u, 0);
  return header;
}

Bytes joined(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

bool found(Bytes& packet, HomeAddressHeaders& headers) {
  const PacketView view = testing::viewOf(packet);
  return findHomeAddressHeaders(view, headers);
}

// The packet that upper layers see.
Bytes exchanged(Bytes packet) {
  HomeAddressHeaders headers;
  CHECK(found(packet, headers));
  PacketView view = testing::viewOf(packet);
  exchangeHomeAddresses(view, headers);
  return Bytes(view.data, view.data + view.length);
}

Bytes plain(bool source, bool destination) {
  Bytes packet = packetWith(kProtocolUdp, {});
  if (source) std::memset(packet.data() + 8, kHome, 16);
  if (destination) std::memset(packet.data() + 24, kHome, 16);
  return packet;
}

}  // namespace

TEST(home_address_option_becomes_the_source) {
  const Bytes packet = packetWith(kProtocolDestination, homeAddressOption(kProtocolUdp));
  CHECK(exchanged(packet) == plain(true, false));
}

TEST(type_two_routing_header_becomes_the_destination) {
  const Bytes packet = packetWith(kProtocolRouting, typeTwoRouting(kProtocolUdp));
  CHECK(exchanged(packet) == plain(false, true));
}

TEST(both_home_address_headers_are_taken_out) {
  const Bytes headers =
      joined(typeTwoRouting(kProtocolDestination), homeAddressOption(kProtocolUdp));
  CHECK(exchanged(packetWith(kProtocolRouting, headers)) == plain(true, true));
}

TEST(other_options_beside_a_home_address_stay) {
  const Bytes options = homeAddressOption(kProtocolUdp, 5);
  const Bytes after = exchanged(packetWith(kProtocolDestination, options));
  CHECK_EQUAL(after.size(), kIpv6Header + 24 + 8);
  CHECK_EQUAL(after[8], kHome);
  CHECK_EQUAL(after[kIpv6Header + 2], 5);
  // The Home Address option is one that the kernel skips.
  CHECK_EQUAL(after[kIpv6Header + 6] >> 6, 0);
}

TEST(rules_of_rfc6275_for_home_address_headers_hold) {
  HomeAddressHeaders headers;
  Bytes packet = packetWith(kProtocolRouting, typeTwoRouting(kProtocolUdp, 2, 0));
  CHECK(!found(packet, headers));
  packet = packetWith(kProtocolRouting, typeTwoRouting(kProtocolUdp, 4, 1));
  CHECK(!found(packet, headers = {}));
  packet = packetWith(kProtocolRouting,
                      joined(typeTwoRouting(kProtocolRouting), typeTwoRouting(kProtocolUdp)));
  CHECK(!found(packet, headers = {}));
  packet = packetWith(kProtocolDestination, joined(homeAddressOption(kProtocolDestination),
                                                   homeAddressOption(kProtocolUdp)));
  CHECK(!found(packet, headers = {}));
  packet = packetWith(kProtocolDestination,
                      joined(homeAddressOption(kProtocolRouting), typeTwoRouting(kProtocolUdp)));
  CHECK(!found(packet, headers = {}));
}
