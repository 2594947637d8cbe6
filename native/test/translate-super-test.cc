// Translation of what a device left undone: checksums and segments; and what it costs.
#include <algorithm>
#include <chrono>

#include "translate/translate.h"
#include "check.h"
#include "translating.h"

using namespace sojourn;
using made::Bytes;
using made::pass;
using made::Passed;

namespace {

constexpr u16 kDontFragment = 0x4000;

int number(Verdict verdict) { return static_cast<int>(verdict); }

}  // namespace

TEST(checksum_left_to_the_device) {
  for (const int family : {4, 6}) {
    const u8 echo = family == 4 ? 8 : 128;
    for (Bytes packet : {made::tcp({.family = family}, 3, 901), made::udp({.family = family}, 901),
                         made::icmp({.family = family, .type = echo}, Bytes(901, 3))}) {
      const Bytes whole = pass(packet).packet;
      VirtioHeader virtio = made::makePartial(packet);
      // ICMPv4 has no pseudo-header, so nothing is summed in advance.
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
  const Passed verified = pass(made::tcp({.family = 4}, 3, 9), {}, {.flags = kVirtioDataValid});
  CHECK_EQUAL(verified.virtio.flags, kVirtioDataValid);
}

// Translating a super-packet and cutting it is cutting it and translating the pieces.
TEST(super_packets_commute_with_segmentation) {
  for (const int family : {4, 6}) {
    for (const bool udp : {false, true}) {
      for (const u16 size : {u16{100}, u16{1240 - 20}, u16{1380}}) {
        for (const size_t payload : {size_t{size} + 1, size_t{size} * 7, size_t{64000}}) {
          const made::Flow flow{.family = family, .trafficClass = 2};
          Bytes packet =
              udp ? made::udp(flow, payload) : made::tcp(flow, 0xfffff000, payload, 0x98);
          VirtioHeader virtio = made::makeSuper(packet, size);
          if (!udp) virtio.gsoType |= kGsoEcn;
          const Passed passed = pass(packet, {.identification = 0xfff0}, virtio);
          CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
          CHECK_EQUAL(passed.virtio.gsoType,
                      udp ? kGsoUdp : (family == 4 ? kGsoTcp6 : kGsoTcp4) | kGsoEcn);
          CHECK_EQUAL(passed.virtio.headerLength, (family == 4 ? 40 : 20) + (udp ? 8 : 20));
          CHECK(!passed.translation.lowered && passed.virtio.gsoSize == size);
          Packets expected = made::passApart(packet, {.identification = 0xfff0}, virtio);
          CHECK(expected.size() == (payload + size - 1) / size);
          // One header speaks for all segments, so the last has the DF of the longest.
          if (family == 6 && size + 40u > 1260) {
            store16(expected.back().data() + 6, kDontFragment);
            writeIpv4Checksum(expected.back().data(), 20);
          }
          CHECK(made::cutSuper(passed.packet, passed.virtio) == expected);
        }
      }
    }
  }
}

TEST(super_packets_behind_extension_headers) {
  const Bytes plain = made::tcp({.family = 6}, 1, 5000);
  Bytes packet = made::withExtensions(plain, kProtocolDestination, {0, 0, 1, 4, 0, 0, 0, 0}, 0);
  const VirtioHeader virtio = made::makeSuper(packet, 1000);
  CHECK_EQUAL(virtio.checksumStart, 48);
  const Passed passed = pass(packet, {}, virtio);
  Bytes straight = plain;
  const VirtioHeader usual = made::makeSuper(straight, 1000);
  const Passed expected = pass(straight, {}, usual);
  CHECK(passed.packet == expected.packet &&
        std::memcmp(&passed.virtio, &expected.virtio, sizeof usual) == 0);
}

TEST(tcp_segments_shrink_to_the_other_side) {
  Bytes packet = made::tcp({.family = 4}, 1, 60000);
  const VirtioHeader virtio = made::makeSuper(packet, 1460);
  const Passed passed = pass(packet, {}, virtio);
  CHECK(passed.translation.lowered);
  CHECK_EQUAL(passed.virtio.gsoSize, 1440);
  Packets expected;
  for (const Bytes& segment : made::cutSuper(packet, virtio, 1480)) {
    expected.push_back(pass(segment).packet);
  }
  CHECK(made::cutSuper(passed.packet, passed.virtio) == expected);
  // Without DF: to the lowest MTU, where fragments would be the alternative.
  const Bytes clear = made::withFragmentField(packet, 0);
  CHECK_EQUAL(pass(clear, {}, virtio).virtio.gsoSize, 1280 - 60);
  Bytes six = made::tcp({.family = 6}, 1, 60000);
  const VirtioHeader virtio6 = made::makeSuper(six, 1440);
  CHECK_EQUAL(pass(six, {}, virtio6).virtio.gsoSize, 1440);
  const Passed small = pass(six, {.mtu = 1200}, virtio6);
  CHECK_EQUAL(small.virtio.gsoSize, 1160);
  CHECK_EQUAL(load16(small.packet.data() + 6), 0);
}

TEST(datagrams_of_a_super_packet_keep_their_length) {
  Bytes packet = made::udp({.family = 4}, 14600);
  const VirtioHeader virtio = made::makeSuper(packet, 1460);
  CHECK_EQUAL(number(pass(packet, {}, virtio).verdict()), number(Verdict::tooBig));
  CHECK_EQUAL(pass(packet, {}, virtio).translation.value, 1480u);
  const Bytes clear = made::withFragmentField(packet, 0);
  const Passed refused = pass(clear, {}, virtio);
  CHECK_EQUAL(number(refused.verdict()), number(Verdict::segment));
  CHECK(refused.packet == clear);
  const Packets pieces = made::passApart(clear, {}, virtio);
  CHECK_EQUAL(pieces.size(), 20u);
  Bytes six = made::udp({.family = 6}, 65500);
  const VirtioHeader virtio6 = made::makeSuper(six, 1000);
  CHECK_EQUAL(number(pass(six, {}, virtio6).verdict()), number(Verdict::translated));
  // One octet more than an IPv4 header can say.
  Bytes longer = made::udp({.family = 6}, 65516 - 8);
  const VirtioHeader virtioLonger = made::makeSuper(longer, 1000);
  CHECK_EQUAL(number(pass(longer, {}, virtioLonger).verdict()), number(Verdict::segment));
  CHECK_EQUAL(made::passApart(longer, {}, virtioLonger).size(), 66u);
  CHECK_EQUAL(number(pass(six, {.mtu = 900}, virtio6).verdict()), number(Verdict::segment));
  CHECK_EQUAL(made::passApart(six, {.mtu = 900}, virtio6).size(), 66u * 2 - 1);
}

TEST(virtio_header_of_another_packet) {
  Bytes packet = made::tcp({.family = 4}, 1, 5000);
  const VirtioHeader good = made::makeSuper(packet, 1000);
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

// Nanoseconds for each translation, with laying the first 128 octets of the packet anew before
// each.
double nanoseconds(const Bytes& packet, const VirtioHeader& virtio, u32 mtu, int rounds) {
  Bytes buffer(kTranslationHeadroom + packet.size());
  u8* const at = buffer.data() + kTranslationHeadroom;
  const size_t header = std::min<size_t>(packet.size(), 128);
  std::memcpy(at, packet.data(), packet.size());
  PacketView view;
  viewPacket(at, packet.size(), view);
  const TranslationTarget target = made::targetOf(view, {.mtu = mtu});
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

TEST(translations_weigh_little) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr int kRounds = 1000;
#else
  constexpr int kRounds = 2'000'000;
#endif
  for (const int family : {4, 6}) {
    const size_t header = family == 4 ? 28 : 48;
    const Bytes small = made::udp({.family = family}, 64 - header);
    Bytes super = made::tcp({.family = family}, 1, 65515 - 40);
    const VirtioHeader virtio = made::makeSuper(super, 1400);
    const Bytes full = made::tcp({.family = family}, 1, 1400);
    Bytes none = made::udp({.family = 4}, 1400);
    store16(none.data() + 26, 0);
    const Bytes error =
        made::icmp({.family = family, .type = static_cast<u8>(family == 4 ? 11 : 3)}, Bytes(small));
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
