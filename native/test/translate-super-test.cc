// Translation of packets with offloads left to the device (checksums and segmentation), and its
// cost.
#include <algorithm>
#include <chrono>

#include "translate/translate.h"
#include "check.h"
#include "translating.h"

using namespace sojourn;
using testing::Bytes;
using testing::pass;
using testing::Passed;

namespace {

constexpr u16 kDontFragment = 0x4000;

int number(Verdict verdict) { return static_cast<int>(verdict); }

}  // namespace

TEST(partial_checksum_is_translated) {
  for (const int family : {4, 6}) {
    const u8 echo = family == 4 ? 8 : 128;
    for (Bytes packet :
         {testing::tcp({.family = family}, 3, 901), testing::udp({.family = family}, 901),
          testing::icmp({.family = family, .type = echo}, Bytes(901, 3))}) {
      const Bytes whole = pass(packet).packet;
      VirtioHeader virtio = testing::makePartial(packet);
      // ICMPv4 has no pseudo-header, so there is no sum in advance.
      if (family == 4 && packet[9] == kProtocolIcmp) store16(packet.data() + 22, 0);
      Passed passed = pass(packet, {}, virtio);
      CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
      if (passed.virtio.flags == kVirtioNeedsChecksum) {
        CHECK_EQUAL(passed.virtio.checksumStart, family == 4 ? 40 : 20);
        CHECK_EQUAL(passed.virtio.checksumOffset, virtio.checksumOffset);
        CHECK(completeChecksum(passed.virtio, passed.packet.data(), passed.packet.size()));
      }
      CHECK(passed.packet == whole);
    }
  }
  const Passed verified = pass(testing::tcp({.family = 4}, 3, 9), {}, {.flags = kVirtioDataValid});
  CHECK_EQUAL(verified.virtio.flags, kVirtioDataValid);
}

// Translating a super-packet and segmenting it is the same as segmenting it and translating the
// segments.
TEST(translation_of_a_super_packet_commutes_with_segmentation) {
  for (const int family : {4, 6}) {
    for (const bool udp : {false, true}) {
      for (const u16 size : {u16{100}, u16{1240 - 20}, u16{1380}}) {
        for (const size_t payload : {size_t{size} + 1, size_t{size} * 7, size_t{64000}}) {
          const testing::Flow flow{.family = family, .trafficClass = 2};
          Bytes packet =
              udp ? testing::udp(flow, payload) : testing::tcp(flow, 0xfffff000, payload, 0x98);
          VirtioHeader virtio = testing::makeSuper(packet, size);
          if (!udp) virtio.gsoType |= kGsoEcn;
          const Passed passed = pass(packet, {.identification = 0xfff0}, virtio);
          CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
          CHECK_EQUAL(passed.virtio.gsoType,
                      udp ? kGsoUdp : (family == 4 ? kGsoTcp6 : kGsoTcp4) | kGsoEcn);
          CHECK_EQUAL(passed.virtio.headerLength, (family == 4 ? 40 : 20) + (udp ? 8 : 20));
          CHECK(!passed.translation.lowered && passed.virtio.gsoSize == size);
          Packets expected = testing::passApart(packet, {.identification = 0xfff0}, virtio);
          CHECK(expected.size() == (payload + size - 1) / size);
          // One header serves all segments, so the last has the DF of the longest.
          if (family == 6 && size + 40u > 1260) {
            store16(expected.back().data() + 6, kDontFragment);
            writeIpv4Checksum(expected.back().data(), 20);
          }
          CHECK(testing::cutSuper(passed.packet, passed.virtio) == expected);
        }
      }
    }
  }
}

TEST(super_packet_behind_extension_headers_is_translated) {
  const Bytes plain = testing::tcp({.family = 6}, 1, 5000);
  Bytes packet = testing::withExtensions(plain, kProtocolDestination, {0, 0, 1, 4, 0, 0, 0, 0}, 0);
  const VirtioHeader virtio = testing::makeSuper(packet, 1000);
  CHECK_EQUAL(virtio.checksumStart, 48);
  const Passed passed = pass(packet, {}, virtio);
  Bytes straight = plain;
  const VirtioHeader usual = testing::makeSuper(straight, 1000);
  const Passed expected = pass(straight, {}, usual);
  CHECK(passed.packet == expected.packet &&
        std::memcmp(&passed.virtio, &expected.virtio, sizeof usual) == 0);
}

TEST(tcp_segments_shrink_to_the_other_mtu) {
  Bytes packet = testing::tcp({.family = 4}, 1, 60000);
  const VirtioHeader virtio = testing::makeSuper(packet, 1460);
  const Passed passed = pass(packet, {}, virtio);
  CHECK(passed.translation.lowered);
  CHECK_EQUAL(passed.virtio.gsoSize, 1440);
  Packets expected;
  for (const Bytes& segment : testing::cutSuper(packet, virtio, 1480)) {
    expected.push_back(pass(segment).packet);
  }
  CHECK(testing::cutSuper(passed.packet, passed.virtio) == expected);
  // Without DF: to the lowest MTU, because the alternative is fragmentation.
  const Bytes clear = testing::withFragmentField(packet, 0);
  CHECK_EQUAL(pass(clear, {}, virtio).virtio.gsoSize, 1280 - 60);
  Bytes six = testing::tcp({.family = 6}, 1, 60000);
  const VirtioHeader virtio6 = testing::makeSuper(six, 1440);
  CHECK_EQUAL(pass(six, {}, virtio6).virtio.gsoSize, 1440);
  const Passed small = pass(six, {.mtu = 1200}, virtio6);
  CHECK_EQUAL(small.virtio.gsoSize, 1160);
  CHECK_EQUAL(load16(small.packet.data() + 6), 0);
}

TEST(datagrams_of_a_super_packet_keep_their_length) {
  Bytes packet = testing::udp({.family = 4}, 14600);
  const VirtioHeader virtio = testing::makeSuper(packet, 1460);
  CHECK_EQUAL(number(pass(packet, {}, virtio).verdict()), number(Verdict::tooBig));
  CHECK_EQUAL(pass(packet, {}, virtio).translation.value, 1480u);
  const Bytes clear = testing::withFragmentField(packet, 0);
  const Passed refused = pass(clear, {}, virtio);
  CHECK_EQUAL(number(refused.verdict()), number(Verdict::segment));
  CHECK(refused.packet == clear);
  const Packets pieces = testing::passApart(clear, {}, virtio);
  CHECK_EQUAL(pieces.size(), 20u);
  Bytes six = testing::udp({.family = 6}, 65500);
  const VirtioHeader virtio6 = testing::makeSuper(six, 1000);
  CHECK_EQUAL(number(pass(six, {}, virtio6).verdict()), number(Verdict::translated));
  // One octet more than an IPv4 header can hold.
  Bytes longer = testing::udp({.family = 6}, 65516 - 8);
  const VirtioHeader virtioLonger = testing::makeSuper(longer, 1000);
  CHECK_EQUAL(number(pass(longer, {}, virtioLonger).verdict()), number(Verdict::segment));
  CHECK_EQUAL(testing::passApart(longer, {}, virtioLonger).size(), 66u);
  CHECK_EQUAL(number(pass(six, {.mtu = 900}, virtio6).verdict()), number(Verdict::segment));
  CHECK_EQUAL(testing::passApart(six, {.mtu = 900}, virtio6).size(), 66u * 2 - 1);
}

TEST(virtio_header_that_does_not_fit_is_rejected) {
  Bytes packet = testing::tcp({.family = 4}, 1, 5000);
  const VirtioHeader good = testing::makeSuper(packet, 1000);
  CHECK_EQUAL(number(pass(packet, {}, good).verdict()), number(Verdict::translated));
  VirtioHeader bad[6] = {good, good, good, good, good, good};
  bad[0].gsoType = kGsoTcp6;
  bad[1].gsoType = 3;
  bad[2].gsoSize = 0;
  bad[3].checksumStart = 24;
  bad[4].checksumOffset = 6;
  bad[5].flags = 0;
  for (const VirtioHeader& virtio : bad) {
    const Passed passed = pass(packet, {}, virtio);
    CHECK_EQUAL(number(passed.verdict()), number(Verdict::offload));
    CHECK(passed.packet == packet);
  }
  const VirtioHeader outside{kVirtioNeedsChecksum, 0, 0, 0, 6000, 0};
  CHECK_EQUAL(number(pass(packet, {}, outside).verdict()), number(Verdict::offload));
}

namespace {

// Nanoseconds for each translation, including a copy of the packet's first 128 octets.
double nanoseconds(const Bytes& packet, const VirtioHeader& virtio, u32 mtu, int rounds) {
  Bytes buffer(kTranslationHeadroom + packet.size());
  u8* const at = buffer.data() + kTranslationHeadroom;
  const size_t header = std::min<size_t>(packet.size(), 128);
  std::memcpy(at, packet.data(), packet.size());
  PacketView view;
  viewPacket(at, packet.size(), view);
  const TranslationTarget target = testing::targetOf(view, {.mtu = mtu});
  int translated = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < rounds; round++) {
    std::memcpy(at, packet.data(), header);
    viewPacket(at, packet.size(), view);
    VirtioHeader changed = virtio;
    translated += translate(view, changed, target).verdict == Verdict::translated;
  }
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  CHECK_EQUAL(translated, rounds);
  return took.count() / rounds;
}

}  // namespace

TEST(cost_of_a_translation_is_bounded) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr int kRounds = 1000;
#else
  constexpr int kRounds = 2'000'000;
#endif
  for (const int family : {4, 6}) {
    const size_t header = family == 4 ? 28 : 48;
    const Bytes small = testing::udp({.family = family}, 64 - header);
    Bytes super = testing::tcp({.family = family}, 1, 65515 - 40);
    const VirtioHeader virtio = testing::makeSuper(super, 1400);
    const Bytes full = testing::tcp({.family = family}, 1, 1400);
    Bytes none = testing::udp({.family = 4}, 1400);
    store16(none.data() + 26, 0);
    const Bytes error = testing::icmp(
        {.family = family, .type = static_cast<u8>(family == 4 ? 11 : 3)}, Bytes(small));
    const double times[5] = {
        nanoseconds(small, {}, 1500, kRounds), nanoseconds(full, {}, 1500, kRounds),
        nanoseconds(super, virtio, 1500, kRounds), nanoseconds(none, {}, 1500, kRounds),
        nanoseconds(error, {}, 1500, kRounds)};
    CHECK(times[2] < 1e6);
#if !defined(__SANITIZE_ADDRESS__)
    std::printf(
        "IPv%d: 64 octets %.0f ns, 1400 %.0f ns, super-packet of 64 KiB %.0f ns, UDP without "
        "checksum (IPv4) %.0f ns, ICMP error %.0f ns\n",
        family, times[0], times[1], times[2], times[3], times[4]);
#endif
  }
}
