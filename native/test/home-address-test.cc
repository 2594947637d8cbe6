#include "net/home-address.h"

#include <cstdlib>

#include "check.h"
#include "net/checksum.h"
#include "net/icmp.h"
#include "net/optimized.h"
#include "net/reassembler.h"
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

namespace {

// An echo request with a Home Address option and an echo reply with a type 2 routing header, as
// another implementation sent them.
const char kRecordedRequest[] =
    "6007362e00583c4020010db8000a0000505400fffe97e80020010db80100000000000000000000013a02"
    "01020000c91020010db801000000000000000000001080001141016b000110a70c6b0000000031700200"
    "00000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435"
    "3637";
const char kRecordedReply[] =
    "600c616600582b3f20010db801000000000000000000000120010db8000a000080722bfffe86a6843a02"
    "02010000000020010db80100000000000000000000108100378e14b9000123a90c6b00000000d9d20c00"
    "00000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435"
    "3637";

Bytes octetsOf(const char* digits) {
  Bytes octets;
  for (; digits[0] != 0; digits += 2) {
    const char pair[3] = {digits[0], digits[1], 0};
    octets.push_back(static_cast<u8>(std::strtoul(pair, nullptr, 16)));
  }
  return octets;
}

}  // namespace

TEST(recorded_packets_have_the_checksum_of_their_home_addresses) {
  for (const char* digits : {kRecordedRequest, kRecordedReply}) {
    Bytes packet = exchanged(octetsOf(digits));
    const PacketView view = testing::viewOf(packet);
    CHECK_EQUAL(view.protocol, kProtocolIcmpv6);
    CHECK_EQUAL(view.length, 128 - 24);
    const u32 length = view.length - kIpv6Header;
    u64 sum = checksumAdd(packet.data() + 8, packet.size() - 8, 0);
    u8 rest[4] = {0, kProtocolIcmpv6};
    store16(rest + 2, length);
    sum = checksumAdd(rest, sizeof rest, sum);
    CHECK_EQUAL(checksumFold(sum), 0xffff);
  }
}

// --- route optimization ---

namespace {

constexpr u8 kHere = 0x11;
constexpr u8 kCareOf = 0x22;
constexpr u8 kFirstOctet = 0x55;

Address filled(u8 octet) {
  Address address;
  std::memset(address.bytes, octet, sizeof address.bytes);
  return address;
}

// A UDP packet with the given addresses and `payload` octets.
Bytes packetBetween(u8 source, u8 destination, size_t payload = 8) {
  Bytes packet(kIpv6Header);
  store32(packet.data(), 0x6ab12345);
  packet[6] = kProtocolUdp;
  packet[7] = 63;
  std::memset(packet.data() + 8, source, 16);
  std::memset(packet.data() + 24, destination, 16);
  for (size_t at = 0; at < payload; at++) packet.push_back(static_cast<u8>(kFirstOctet + at));
  store16(packet.data() + 4, static_cast<u32>(payload));
  return packet;
}

OuterPath pathFrom(u8 local, u8 remote) {
  OuterPath path;
  path.carrier = Carrier::optimized;
  path.family = 6;
  path.local = filled(local);
  path.remote = filled(remote);
  return path;
}

// Of a correspondent node to a mobile node.
const OuterPath kToMobile = pathFrom(kHere, kCareOf);
// Of a mobile node to a correspondent node.
const OuterPath kFromMobile = pathFrom(kCareOf, kHere);

Bytes optimized(const OuterPath& path, const Bytes& packet) {
  Bytes out(kOptimizedHeaders);
  writeOptimizedHeaders(path, packet.data(), packet.size(), out.data());
  out.insert(out.end(), packet.begin() + kIpv6Header, packet.end());
  return out;
}

// What the far end delivers.
Bytes delivered(Bytes packet) {
  PacketView view = testing::viewOf(packet);
  HomeAddressHeaders headers;
  CHECK(findHomeAddressHeaders(view, headers));
  exchangeHomeAddresses(view, headers);
  return Bytes(view.data, view.data + view.length);
}

}  // namespace

TEST(a_packet_to_a_mobile_node_has_a_type_two_routing_header) {
  const Bytes packet = packetBetween(kHere, kHome);
  const Bytes sent = optimized(kToMobile, packet);
  CHECK_EQUAL(sent.size(), packet.size() + 24);
  CHECK_EQUAL(sent[6], kProtocolRouting);
  CHECK_EQUAL(sent[24], kCareOf);
  const u8 header[8] = {kProtocolUdp, 2, 2, 1, 0, 0, 0, 0};
  CHECK(std::memcmp(sent.data() + kIpv6Header, header, sizeof header) == 0);
  CHECK(delivered(sent) == packet);
}

TEST(a_packet_from_a_mobile_node_has_a_home_address_option) {
  const Bytes packet = packetBetween(kHome, kHere);
  const Bytes sent = optimized(kFromMobile, packet);
  CHECK_EQUAL(sent[6], kProtocolDestination);
  CHECK_EQUAL(sent[8], kCareOf);
  // RFC 6275 §6.3: the option is aligned to 8n+6.
  const u8 header[8] = {kProtocolUdp, 2, 1, 2, 0, 0, 201, 16};
  CHECK(std::memcmp(sent.data() + kIpv6Header, header, sizeof header) == 0);
  CHECK(delivered(sent) == packet);
}

TEST(a_packet_between_other_addresses_takes_no_optimized_path) {
  Bytes packet = packetBetween(kHere, kHome);
  CHECK(isForOptimizedPath(kToMobile, testing::viewOf(packet)));
  packet = packetBetween(0x12, kHome);
  CHECK(!isForOptimizedPath(kToMobile, testing::viewOf(packet)));
  packet = packetBetween(kHere, kCareOf);
  CHECK(!isForOptimizedPath(kToMobile, testing::viewOf(packet)));
  packet = packetBetween(kHere, kHome);
  packet[6] = kProtocolHopByHop;
  CHECK(!isForOptimizedPath(kToMobile, testing::viewOf(packet)));
}

TEST(fragments_of_an_optimized_packet_carry_the_home_address_each) {
  Bytes packet = packetBetween(kHere, kHome, 1240);
  const OuterPayload payload = OuterPayload::of(testing::viewOf(packet));
  const Packets fragments = fragmentOptimized(kToMobile, payload, 1280, 7);
  CHECK_EQUAL(fragments.size(), size_t{2});
  Counters counters;
  Reassembler reassembler(counters);
  std::vector<u8> whole;
  for (Bytes fragment : fragments) {
    CHECK(fragment.size() <= 1280);
    CHECK_EQUAL(fragment[6], kProtocolRouting);
    const ChainEnd end = walkChain(fragment.data(), fragment.size());
    CHECK(end.fragment && end.typeTwoRouting);
    whole = reassembler.add(testing::viewOf(fragment), Reassembler::Source::stranger, 1);
  }
  CHECK(delivered(whole) == packet);
}

TEST(a_packet_that_fits_is_one_optimized_packet) {
  Bytes packet = packetBetween(kHere, kHome, 1240);
  const OuterPayload payload = OuterPayload::of(testing::viewOf(packet));
  const Packets whole = fragmentOptimized(kToMobile, payload, 1304, 7);
  CHECK_EQUAL(whole.size(), size_t{1});
  CHECK(whole[0] == optimized(kToMobile, packet));
}

TEST(a_relayed_error_keeps_its_type_but_parameter_problem) {
  Bytes packet = packetBetween(kHere, kHome);
  const PacketView view = testing::viewOf(packet);
  const Address router = filled(0x99);
  const std::vector<u8> expired = relayedError(view, {.type = 3, .code = 0}, router);
  CHECK_EQUAL(expired[8], 0x99);
  CHECK_EQUAL(expired[24], kHere);
  CHECK_EQUAL(expired[kIpv6Header], 3);
  const std::vector<u8> problem = relayedError(view, {.type = 4, .code = 1}, router);
  CHECK_EQUAL(problem[kIpv6Header], 1);
  CHECK_EQUAL(problem[kIpv6Header + 1], 3);
}
