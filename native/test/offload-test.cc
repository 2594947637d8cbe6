#include <memory>

#include "net/coalesce.h"
#include "net/segment.h"
#include "check.h"
#include "packets.h"

using namespace sojourn;
using made::Bytes;
using made::Flow;

namespace {

struct Written {
  VirtioHeader virtio;
  Bytes packet;
};

// Keeps what the coalescer writes.
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

// What the kernel would make of a super-packet: our own segmentation, which other tests hold
// against single packets.
std::vector<Bytes> cut(Written& super, size_t mtu = 65535) {
  SegmentPlan plan;
  std::vector<Bytes> packets;
  const PacketView view = made::viewOf(super.packet);
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

std::vector<Written> coalesced(std::vector<Bytes>& packets) {
  Collector collector;
  auto coalescer = std::make_unique<Coalescer>(collector, true, true);
  for (Bytes& packet : packets) coalescer->add(made::viewOf(packet), ChecksumState::unknown);
  coalescer->flush();
  return std::move(collector.written);
}

Flow flowOf(int family, u8 host = 2) { return {.family = family, .host = host}; }

}  // namespace

TEST(run_becomes_one_and_cuts_back_to_itself) {
  for (const int family : {4, 6}) {
    std::vector<Bytes> packets;
    for (u32 index = 0; index < 10; index++) {
      const u8 flags = index == 9 ? 0x18 : 0x10;
      packets.push_back(made::tcp(flowOf(family), 100 + index * 1000, index == 9 ? 300 : 1000,
                                  flags, static_cast<u16>(7 + index)));
    }
    const std::vector<Bytes> before = packets;
    std::vector<Written> written = coalesced(packets);
    CHECK_EQUAL(written.size(), 1u);
    CHECK_EQUAL(written[0].virtio.gsoSize, 1000);
    CHECK(cut(written[0]) == before);
  }
}

TEST(datagrams_of_one_size_become_one) {
  for (const int family : {4, 6}) {
    std::vector<Bytes> packets;
    for (u8 index = 0; index < 5; index++) {
      packets.push_back(made::udp(flowOf(family), index == 4 ? 10 : 64, index));
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

TEST(interleaved_flows_have_runs_of_their_own) {
  std::vector<Bytes> packets;
  for (u32 index = 0; index < 6; index++) {
    for (u8 host = 2; host < 6; host++) {
      packets.push_back(made::tcp(flowOf(6, host), index * 500, 500));
    }
  }
  std::vector<Written> written = coalesced(packets);
  CHECK_EQUAL(written.size(), 4u);
  for (Written& one : written) CHECK_EQUAL(cut(one).size(), 6u);
}

TEST(more_flows_than_runs_lose_nothing) {
  std::vector<Bytes> packets;
  for (u32 index = 0; index < 3; index++) {
    for (u8 host = 2; host < 22; host++) {
      packets.push_back(made::tcp(flowOf(6, host), index * 500, 500));
    }
  }
  size_t total = 0;
  for (Written& one : coalesced(packets)) total += one.virtio.gsoType == 0 ? 1 : cut(one).size();
  CHECK_EQUAL(total, 60u);
}

// Every packet of a flow comes out in its order, whatever interrupts it.
TEST(order_within_a_flow_is_kept) {
  std::vector<Bytes> packets;
  packets.push_back(made::tcp(flowOf(6), 0, 100));
  packets.push_back(made::tcp(flowOf(6), 100, 100));
  packets.push_back(made::tcp(flowOf(6), 200, 0));          // pure acknowledgement
  packets.push_back(made::tcp(flowOf(6), 200, 100, 0x11));  // FIN
  packets.push_back(made::tcp(flowOf(6, 9), 0, 0));         // another flow's acknowledgement
  packets.push_back(made::tcp(flowOf(6), 500, 100));        // a gap
  packets.push_back(made::tcp(flowOf(6), 600, 200));        // larger than the run's segments
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

// A datagram in fragments does not overtake a whole one before it: nobody knows yet whose they are.
TEST(fragments_overtake_nothing) {
  for (const int family : {4, 6}) {
    std::vector<Bytes> packets;
    packets.push_back(made::udp(flowOf(family), 64, 1));
    packets.push_back(made::udp(flowOf(family), 400, 2));
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

TEST(wrong_checksum_never_joins) {
  std::vector<Bytes> packets;
  for (u32 index = 0; index < 3; index++) {
    packets.push_back(made::tcp(flowOf(4), index * 100, 100, 0x10, static_cast<u16>(index)));
  }
  packets[1][60] ^= 1;
  std::vector<Written> written = coalesced(packets);
  CHECK_EQUAL(written.size(), 3u);
  CHECK_EQUAL(written[1].virtio.flags, 0);
  CHECK_EQUAL(written[0].virtio.flags, kVirtioDataValid);
}

TEST(different_traffic_class_or_window_of_congestion_does_not_join) {
  Flow marked = flowOf(6);
  marked.trafficClass = 3;
  std::vector<Bytes> packets = {made::tcp(flowOf(6), 0, 100), made::tcp(marked, 100, 100),
                                made::tcp(marked, 200, 100, 0x50)};
  CHECK_EQUAL(coalesced(packets).size(), 3u);
}

static Written superPacket(int family, size_t payload, u16 segment, u8 flags) {
  Written super;
  super.packet = made::tcp(flowOf(family), 5, payload, flags);
  const u16 ip = family == 6 ? 40 : 20;
  super.virtio = {kVirtioNeedsChecksum,
                  family == 6 ? kGsoTcp6 : kGsoTcp4,
                  static_cast<u16>(ip + 20),
                  segment,
                  ip,
                  16};
  return super;
}

TEST(segments_have_right_headers) {
  for (const int family : {4, 6}) {
    Written super = superPacket(family, 10000, 1400, 0x99);  // CWR, ACK, PSH, FIN
    std::vector<Bytes> packets = cut(super);
    CHECK_EQUAL(packets.size(), 8u);
    const size_t tcp = family == 6 ? 40 : 20;
    u32 sequence = 5;
    for (size_t index = 0; index < packets.size(); index++) {
      CHECK(made::transportRight(packets[index]));
      if (family == 4) CHECK_EQUAL(ipv4HeaderResidue(packets[index].data(), kIpv4Header), 0);
      CHECK_EQUAL(load32(packets[index].data() + tcp + 4), sequence);
      sequence += static_cast<u32>(packets[index].size() - tcp - 20);
      const u8 flags = packets[index][tcp + 13];
      CHECK_EQUAL(flags, index == 0 ? 0x90 : index == 7 ? 0x19 : 0x10);
    }
    CHECK_EQUAL(sequence, 10005u);
  }
}

TEST(segments_are_lowered_to_the_mtu) {
  Written super = superPacket(6, 10000, 1400, 0x10);
  SegmentPlan plan;
  CHECK(planSegments(super.virtio, made::viewOf(super.packet), 1280, plan));
  CHECK(plan.lowered);
  for (const Bytes& packet : cut(super, 1280)) CHECK(packet.size() <= 1280);
}

TEST(plan_refuses_nonsense) {
  SegmentPlan plan;
  Written super = superPacket(6, 3000, 1400, 0x10);
  const auto refused = [&](VirtioHeader virtio) {
    return !planSegments(virtio, made::viewOf(super.packet), 1500, plan);
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
  Bytes packet = made::udp(flowOf(4), 33);
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
