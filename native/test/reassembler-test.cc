#include "net/reassembler.h"

#include <algorithm>
#include <random>

#include "net/outer-header.h"
#include "check.h"
#include "packets.h"

using namespace sojourn;
using testing::Bytes;
using Source = Reassembler::Source;

namespace {

constexpr u64 kNow = 1'000;

OuterPath pathOf(int family, u8 host = 1) {
  OuterPath path;
  path.carrier = Carrier::ip;
  path.family = static_cast<u8>(family);
  path.local.bytes[0] = family == 6 ? 0x20 : 198;
  path.local.bytes[family == 6 ? 15 : 3] = host;
  path.remote.bytes[0] = family == 6 ? 0x20 : 198;
  path.remote.bytes[family == 6 ? 15 : 3] = 200;
  return path;
}

// The outer fragments of a tunnel's packet, and that packet in one piece.
struct Sent {
  Packets fragments;
  Bytes whole;
};

Sent send(int family, size_t payload, u32 identification = 9, size_t mtu = 1280, u8 host = 1) {
  Bytes inner = testing::udp({.family = 6, .trafficClass = 2}, payload);
  const OuterPayload outer = OuterPayload::of(testing::viewOf(inner));
  const OuterPath path = pathOf(family, host);
  Packets whole = encapsulateFragmented(
      path, outer, {.mtu = 65000, .sourcePort = 0, .identification = identification});
  return {encapsulateFragmented(
              path, outer, {.mtu = mtu, .sourcePort = 0, .identification = identification}),
          whole.front()};
}

struct Receiving {
  Counters counters;
  Reassembler reassembler{counters};

  Bytes add(Bytes fragment, Source source = Source::farEnd, u64 nowMs = kNow) {
    const PacketView view = testing::viewOf(fragment);
    return reassembler.add(view, source, nowMs);
  }
  u64 count(Counters::Name name) const { return counters.values[name].load(); }
};

// IPv4 identifications differ from those of the packet sent in one piece only by the DF bit.
bool sameFromProtocolOn(const Bytes& a, const Bytes& b, int family) {
  if (family == 6) return a == b;
  return a.size() == b.size() && std::equal(a.begin() + 12, a.end(), b.begin() + 12);
}

Bytes fragment6(u32 offset, size_t length, bool more, u8 fill = 1, u8 protocol = kProtocolIpv6) {
  Bytes packet(kIpv6Header + 8, 1);
  packet.resize(kIpv6Header + 8 + length, fill);
  store32(packet.data(), 0x60000000);
  store16(packet.data() + 4, static_cast<u32>(8 + length));
  packet[6] = kProtocolFragment;
  u8* header = packet.data() + kIpv6Header;
  header[0] = protocol;
  header[1] = 0;
  store16(header + 2, offset | (more ? 1 : 0));
  store32(header + 4, 77);
  return packet;
}

}  // namespace

TEST(reassembler_joins_fragments_in_any_order) {
  std::mt19937 random(7);
  for (const int family : {4, 6}) {
    for (const size_t payload : {1232u, 1500u, 9000u, 40000u}) {
      Receiving receiving;
      Sent sent = send(family, payload);
      CHECK(sent.fragments.size() > 1);
      std::shuffle(sent.fragments.begin(), sent.fragments.end(), random);
      Bytes whole;
      for (const Bytes& fragment : sent.fragments) {
        CHECK(whole.empty());
        whole = receiving.add(fragment);
      }
      CHECK(sameFromProtocolOn(whole, sent.whole, family));
      CHECK_EQUAL(receiving.count(Counters::reassembled), 1);
      CHECK(receiving.reassembler.empty());
      if (family == 4) CHECK_EQUAL(ipv4HeaderResidue(whole.data(), kIpv4Header), 0);
    }
  }
}

TEST(reassembler_keeps_headers_before_the_fragment_header) {
  Receiving receiving;
  Sent sent = send(6, 1500);
  for (Bytes& fragment : sent.fragments) {
    // Destination options of eight octets go before the Fragment header.
    const u8 options[8] = {kProtocolFragment, 0, 1, 4, 0, 0, 0, 0};
    fragment.insert(fragment.begin() + kIpv6Header, options, options + 8);
    fragment[6] = kProtocolDestination;
    store16(fragment.data() + 4, load16(fragment.data() + 4) + 8u);
  }
  Bytes whole;
  for (const Bytes& fragment : sent.fragments) whole = receiving.add(fragment);
  CHECK_EQUAL(whole.size(), sent.whole.size() + 8);
  const ChainEnd end = walkChain(whole.data(), whole.size());
  CHECK(!end.malformed && !end.fragment);
  CHECK_EQUAL(end.protocol, kProtocolIpv6);
  CHECK(std::equal(whole.begin() + 48, whole.end(), sent.whole.begin() + 40));
}

TEST(reassembler_ignores_exact_duplicates) {
  Receiving receiving;
  const Sent sent = send(6, 1500);
  receiving.add(sent.fragments[0]);
  CHECK(receiving.add(sent.fragments[0]).empty());
  CHECK_EQUAL(receiving.count(Counters::dropFragmentDuplicate), 1);
  CHECK(receiving.add(sent.fragments[1]) == sent.whole);
}

TEST(reassembler_refuses_a_packet_whose_fragments_overlap) {
  struct Case {
    Bytes first, second;
  };
  const Case cases[] = {
      {fragment6(0, 800, true), fragment6(792, 800, false)},
      {fragment6(0, 800, true), fragment6(0, 800, true, 2)},    // same place, other octets
      {fragment6(800, 80, true), fragment6(800, 80, false)},    // same place, other end
      {fragment6(0, 800, true), fragment6(8, 8, true)},         // inside
      {fragment6(800, 80, false), fragment6(880, 80, false)},   // two ends
      {fragment6(1600, 80, true), fragment6(800, 80, false)},   // an end before data
      {fragment6(800, 80, false), fragment6(1600, 80, true)},   // data behind the end
  };
  for (const Case& one : cases) {
    Receiving receiving;
    CHECK(receiving.add(one.first).empty());
    CHECK(receiving.add(one.second).empty());
    CHECK_EQUAL(receiving.count(Counters::dropFragmentOverlap), 2);
    // The missing fragments of that packet do not help.
    CHECK(receiving.add(fragment6(0, 800, true)).empty());
    CHECK(receiving.add(fragment6(800, 80, false)).empty());
    CHECK_EQUAL(receiving.count(Counters::reassembled), 0);
    receiving.reassembler.expire(kNow + 5'001);
    CHECK(receiving.reassembler.empty());
  }
}

TEST(reassembler_refuses_fragments_that_no_packet_has) {
  Receiving receiving;
  receiving.add(fragment6(0, 32, true));                       // no whole inner header, RFC 7112
  receiving.add(fragment6(0, 801, true));                      // not a multiple of eight
  receiving.add(fragment6(65528, 16, false));                  // beyond 65,535 octets
  receiving.add(fragment6(800, 0, false));                     // nothing
  receiving.add(fragment6(0, 8000, true), Source::stranger);   // too large for a control packet
  CHECK_EQUAL(receiving.count(Counters::dropFragment), 5);
  CHECK(receiving.reassembler.empty());
}

TEST(reassembler_forgets_incomplete_packets) {
  Receiving receiving;
  const Sent sent = send(4, 1500);
  receiving.add(sent.fragments[0]);
  receiving.reassembler.expire(kNow + 5'000);
  CHECK(!receiving.reassembler.empty());
  CHECK(receiving.add(sent.fragments[1], Source::farEnd, kNow + 5'001).empty());
  CHECK_EQUAL(receiving.count(Counters::dropFragmentExpired), 1);
}

TEST(reassembler_serves_others_while_one_source_floods) {
  Receiving receiving;
  const Sent honest = send(6, 1500, 1, 1280, 2);
  for (const Source source : {Source::stranger, Source::farEnd}) {
    receiving.add(honest.fragments[0], Source::farEnd);
    for (u32 id = 0; id < 20'000; id++) {
      const Sent flood = send(4, 1400, id, 1280, 66);
      receiving.add(flood.fragments[0], source);
    }
    CHECK(receiving.add(honest.fragments[1], Source::farEnd) == honest.whole);
  }
  CHECK(receiving.count(Counters::dropFragmentFull) > 30'000);
}

// Strangers of many prefixes share a quarter of a megabyte; they never cost a far end its packet.
TEST(reassembler_bounds_the_memory_of_all_strangers) {
  Receiving receiving;
  const Sent honest = send(6, 1500, 1, 1280, 2);
  receiving.add(honest.fragments[0], Source::farEnd);
  for (u32 id = 0; id < 20'000; id++) {
    Bytes fragment = fragment6(0, 1200, true);
    store32(fragment.data() + 8, id * 2'654'435'761u);
    receiving.add(fragment, Source::stranger);
  }
  // 256 KiB of entries with 1,200 octets and 512 for the entry itself.
  CHECK_EQUAL(receiving.count(Counters::dropFragmentFull), 20'000u - (256u << 10) / 1'712u);
  CHECK(receiving.add(honest.fragments[1], Source::farEnd) == honest.whole);
}

TEST(reassembler_combines_congestion_marks) {
  const auto marked = [](u8 first, u8 second, Receiving& receiving) {
    Sent sent = send(4, 1500);
    const u8 marks[2] = {first, second};
    Bytes whole;
    for (size_t index = 0; index < 2; index++) {
      sent.fragments[index][1] = marks[index];
      writeIpv4Checksum(sent.fragments[index].data(), kIpv4Header);
      whole = receiving.add(sent.fragments[index]);
    }
    return whole;
  };
  Receiving receiving;
  CHECK_EQUAL(marked(2, 3, receiving)[1] & 3, 3);
  CHECK_EQUAL(marked(3, 2, receiving)[1] & 3, 3);
  CHECK_EQUAL(marked(2, 2, receiving)[1] & 3, 2);
  CHECK(marked(0, 3, receiving).empty());
  CHECK_EQUAL(receiving.count(Counters::dropEcn), 1);
}

TEST(atomic_fragment_header_is_removed) {
  Bytes packet = fragment6(0, 40, false, 1, kProtocolMobility);
  const PacketView view = testing::viewOf(packet);
  const ChainEnd end = walkChain(packet.data(), packet.size());
  CHECK(!end.fragment && end.atomicAt == kIpv6Header);
  Bytes whole = withoutAtomicHeader(view, end.atomicAt, end.atomicNamedAt);
  CHECK_EQUAL(whole.size(), 80u);
  CHECK_EQUAL(testing::viewOf(whole).length, 80u);
  CHECK_EQUAL(whole[6], kProtocolMobility);
}
