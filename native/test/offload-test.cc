#include <memory>

#include "net/coalesce.h"
#include "net/segment.h"
#include "check.h"
#include "packets.h"

using namespace sojourn;
using testing::Bytes;
using testing::Flow;

namespace {

struct Written {
  VirtioHeader virtio;
  Bytes packet;
};

// Keeps the packets that the coalescer writes.
struct Collector final : PacketSink {
  std::vector<Written> written;
  void write(const iovec* parts, int count) override {
    Written one;
    std::memcpy(&one.virtio, parts[0].iov_base, sizeof one.virtio);
    for (int part = 1; part < count; part++) {
      const auto* from = static_cast<const u8*>(parts[part].iov_base);
      one.packet.insert(one.packet.end(), from, from + parts[part].iov_len);
    }
    written.push_back(std::move(one));
  }
};

// Segments a super-packet as the kernel would. Other tests compare this segmentation with single
// packets.
std::vector<Bytes> cut(Written& super, size_t mtu = 65535) {
  SegmentPlan plan;
  std::vector<Bytes> packets;
  const PacketView view = testing::viewOf(super.packet);
  if (!planSegments(super.virtio, view, mtu, plan)) return packets;
  for (u32 index = 0; index < plan.count; index++) {
    Bytes packet(plan.headerLength + segmentLength(plan, index));
    writeSegmentHeader(plan, view, index, packet.data());
    std::memcpy(packet.data() + plan.headerLength, view.data + segmentOffset(plan, index),
                segmentLength(plan, index));
    packets.push_back(std::move(packet));
  }
  return packets;
}

// The same, each segment put together inside a copy of the super-packet.
std::vector<Bytes> cutInPlace(const Written& super) {
  Bytes room = super.packet;
  SegmentPlan plan;
  std::vector<Bytes> packets;
  const PacketView view = testing::viewOf(room);
  if (!planSegments(super.virtio, view, 65535, plan)) return packets;
  const Bytes header(room.begin(), room.begin() + plan.headerLength);
  for (u32 index = 0; index < plan.count; index++) {
    const PacketView segment = segmentInPlace(plan, view, header.data(), index);
    packets.emplace_back(segment.data, segment.data + segment.length);
  }
  return packets;
}

std::vector<Written> coalesced(std::vector<Bytes>& packets) {
  Collector collector;
  auto coalescer = std::make_unique<Coalescer>(collector, true, true);
  for (Bytes& packet : packets) coalescer->add(testing::viewOf(packet), ChecksumState::unknown);
  coalescer->flush();
  return std::move(collector.written);
}

Flow flowOf(int family, u8 host = 2) { return {.family = family, .host = host}; }

}  // namespace

TEST(tcp_run_becomes_a_super_packet_that_segments_back) {
  for (const int family : {4, 6}) {
    std::vector<Bytes> packets;
    for (u32 index = 0; index < 10; index++) {
      const u8 flags = index == 9 ? 0x18 : 0x10;
      packets.push_back(testing::tcp(flowOf(family), 100 + index * 1000, index == 9 ? 300 : 1000,
                                     flags, static_cast<u16>(7 + index)));
    }
    const std::vector<Bytes> before = packets;
    std::vector<Written> written = coalesced(packets);
    CHECK_EQUAL(written.size(), 1u);
    CHECK_EQUAL(written[0].virtio.gsoSize, 1000);
    CHECK(cut(written[0]) == before);
  }
}

// Segments shorter than their headers, too.
TEST(segments_made_inside_the_super_packet_are_the_same) {
  for (const int family : {4, 6}) {
    for (const u32 size : {7u, 20u, 52u, 1000u}) {
      std::vector<Bytes> packets;
      for (u32 index = 0; index < 9; index++) {
        packets.push_back(testing::tcp(flowOf(family), 5 + index * size, index == 8 ? 3 : size,
                                       0x10, static_cast<u16>(7 + index)));
      }
      std::vector<Written> written = coalesced(packets);
      CHECK_EQUAL(written.size(), 1u);
      const std::vector<Bytes> apart = cut(written[0]);
      CHECK_EQUAL(apart.size(), 9u);
      CHECK(cutInPlace(written[0]) == apart);
    }
  }
}

TEST(udp_datagrams_of_one_size_become_a_super_packet) {
  for (const int family : {4, 6}) {
    std::vector<Bytes> packets;
    for (u8 index = 0; index < 5; index++) {
      packets.push_back(testing::udp(flowOf(family), index == 4 ? 10 : 64, index));
      if (family == 4) {
        store16(packets.back().data() + 4, 7u + index);
        writeIpv4Checksum(packets.back().data(), kIpv4Header);
      }
    }
    const std::vector<Bytes> before = packets;
    std::vector<Written> written = coalesced(packets);
    CHECK_EQUAL(written.size(), 1u);
    CHECK_EQUAL(written[0].virtio.gsoType, kGsoUdp);
    CHECK(cut(written[0]) == before);
  }
}

TEST(interleaved_flows_form_separate_runs) {
  std::vector<Bytes> packets;
  for (u32 index = 0; index < 6; index++) {
    for (u8 host = 2; host < 6; host++) {
      packets.push_back(testing::tcp(flowOf(6, host), index * 500, 500));
    }
  }
  std::vector<Written> written = coalesced(packets);
  CHECK_EQUAL(written.size(), 4u);
  for (Written& one : written) CHECK_EQUAL(cut(one).size(), 6u);
}

TEST(more_flows_than_runs_lose_no_packet) {
  std::vector<Bytes> packets;
  for (u32 index = 0; index < 3; index++) {
    for (u8 host = 2; host < 22; host++) {
      packets.push_back(testing::tcp(flowOf(6, host), index * 500, 500));
    }
  }
  size_t total = 0;
  for (Written& one : coalesced(packets)) total += one.virtio.gsoType == 0 ? 1 : cut(one).size();
  CHECK_EQUAL(total, 60u);
}

// The packets of a flow stay in order, whatever interrupts it.
TEST(coalescer_keeps_the_order_within_a_flow) {
  std::vector<Bytes> packets;
  packets.push_back(testing::tcp(flowOf(6), 0, 100));
  packets.push_back(testing::tcp(flowOf(6), 100, 100));
  packets.push_back(testing::tcp(flowOf(6), 200, 0));          // pure acknowledgement
  packets.push_back(testing::tcp(flowOf(6), 200, 100, 0x11));  // FIN
  packets.push_back(testing::tcp(flowOf(6, 9), 0, 0));         // another flow's acknowledgement
  packets.push_back(testing::tcp(flowOf(6), 500, 100));        // a gap
  packets.push_back(testing::tcp(flowOf(6), 600, 200));        // larger than the run's segments
  const std::vector<Bytes> before = packets;
  std::vector<Bytes> after;
  for (Written& one : coalesced(packets)) {
    if (one.virtio.gsoType == 0) {
      after.push_back(one.packet);
    } else {
      for (Bytes& packet : cut(one)) after.push_back(packet);
    }
  }
  CHECK_EQUAL(after.size(), before.size());
  for (const u8 host : {2, 9}) {
    std::vector<Bytes> expected;
    std::vector<Bytes> got;
    for (const Bytes& packet : before)
      if (packet[23] == host) expected.push_back(packet);
    for (const Bytes& packet : after)
      if (packet[23] == host) got.push_back(packet);
    CHECK(expected == got);
  }
}

// A fragment may belong to the flow of the datagram before it, so it must not overtake that.
TEST(fragment_does_not_overtake_a_datagram) {
  for (const int family : {4, 6}) {
    std::vector<Bytes> packets;
    packets.push_back(testing::udp(flowOf(family), 64, 1));
    packets.push_back(testing::udp(flowOf(family), 400, 2));
    Bytes& fragment = packets.back();
    if (family == 4) {
      store16(fragment.data() + 6, 0x2000);
      writeIpv4Checksum(fragment.data(), kIpv4Header);
    } else {
      fragment.insert(fragment.begin() + kIpv6Header, {kProtocolUdp, 0, 0, 1, 0, 0, 0, 9});
      fragment[6] = kProtocolFragment;
      store16(fragment.data() + 4, static_cast<u16>(fragment.size() - kIpv6Header));
    }
    const std::vector<Bytes> before = packets;
    std::vector<Written> written = coalesced(packets);
    CHECK_EQUAL(written.size(), 2u);
    for (size_t index = 0; index < written.size() && index < 2; index++) {
      CHECK(written[index].packet == before[index]);
    }
  }
}

TEST(packet_with_wrong_checksum_does_not_join_a_run) {
  std::vector<Bytes> packets;
  for (u32 index = 0; index < 3; index++) {
    packets.push_back(testing::tcp(flowOf(4), index * 100, 100, 0x10, static_cast<u16>(index)));
  }
  packets[1][60] ^= 1;
  std::vector<Written> written = coalesced(packets);
  CHECK_EQUAL(written.size(), 3u);
  CHECK_EQUAL(written[1].virtio.flags, 0);
  CHECK_EQUAL(written[0].virtio.flags, kVirtioDataValid);
}

TEST(packet_with_other_traffic_class_or_ecn_flags_does_not_join_a_run) {
  Flow marked = flowOf(6);
  marked.trafficClass = 3;
  std::vector<Bytes> packets = {testing::tcp(flowOf(6), 0, 100), testing::tcp(marked, 100, 100),
                                testing::tcp(marked, 200, 100, 0x50)};
  CHECK_EQUAL(coalesced(packets).size(), 3u);
}

static Written superPacket(int family, size_t payload, u16 segment, u8 flags) {
  Written super;
  super.packet = testing::tcp(flowOf(family), 5, payload, flags);
  const u16 ip = family == 6 ? 40 : 20;
  super.virtio = {kVirtioNeedsChecksum,
                  family == 6 ? kGsoTcp6 : kGsoTcp4,
                  static_cast<u16>(ip + 20),
                  segment,
                  ip,
                  16};
  return super;
}

TEST(segments_have_correct_headers) {
  for (const int family : {4, 6}) {
    Written super = superPacket(family, 10000, 1400, 0x99);  // CWR, ACK, PSH, FIN
    std::vector<Bytes> packets = cut(super);
    CHECK_EQUAL(packets.size(), 8u);
    const size_t tcp = family == 6 ? 40 : 20;
    u32 sequence = 5;
    for (size_t index = 0; index < packets.size(); index++) {
      CHECK(testing::transportRight(packets[index]));
      if (family == 4) CHECK_EQUAL(ipv4HeaderResidue(packets[index].data(), kIpv4Header), 0);
      CHECK_EQUAL(load32(packets[index].data() + tcp + 4), sequence);
      sequence += static_cast<u32>(packets[index].size() - tcp - 20);
      const u8 flags = packets[index][tcp + 13];
      CHECK_EQUAL(flags, index == 0 ? 0x90 : index == 7 ? 0x19 : 0x10);
    }
    CHECK_EQUAL(sequence, 10005u);
  }
}

TEST(segments_shrink_to_the_mtu) {
  Written super = superPacket(6, 10000, 1400, 0x10);
  SegmentPlan plan;
  CHECK(planSegments(super.virtio, testing::viewOf(super.packet), 1280, plan));
  CHECK(plan.lowered);
  for (const Bytes& packet : cut(super, 1280)) CHECK(packet.size() <= 1280);
}

TEST(plan_rejects_a_virtio_header_that_does_not_fit_the_packet) {
  SegmentPlan plan;
  Written super = superPacket(6, 3000, 1400, 0x10);
  const auto refused = [&](VirtioHeader virtio) {
    return !planSegments(virtio, testing::viewOf(super.packet), 1500, plan);
  };
  VirtioHeader wrong = super.virtio;
  wrong.gsoSize = 0;
  CHECK(refused(wrong));
  wrong = super.virtio;
  wrong.checksumStart = 44;
  CHECK(refused(wrong));
  wrong = super.virtio;
  wrong.gsoType = kGsoTcp4;
  CHECK(refused(wrong));
  wrong = super.virtio;
  wrong.gsoType = kGsoUdp;
  CHECK(refused(wrong));
  super.packet[52] = 0xf0;
  super.packet.resize(96);
  store16(super.packet.data() + 4, 56);
  CHECK(refused(super.virtio));
}

TEST(partial_checksum_is_completed) {
  Bytes packet = testing::udp(flowOf(4), 33);
  const Bytes right = packet;
  storeRaw16(packet.data() + 26, checksumFold(pseudoHeaderSum(packet.data(), 4, kProtocolUdp, 41)));
  VirtioHeader virtio;
  virtio.flags = kVirtioNeedsChecksum;
  virtio.checksumStart = 20;
  virtio.checksumOffset = 6;
  CHECK(completeChecksum(virtio, packet.data(), packet.size()));
  CHECK(packet == right);
  virtio.checksumStart = 60;
  CHECK(!completeChecksum(virtio, packet.data(), packet.size()));
}
