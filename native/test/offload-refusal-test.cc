// Offloads that the kernel refuses after they had worked: nothing is lost.
#include <sys/socket.h>

#include <array>
#include <thread>

#include "plane/receive/receiver.h"
#include "plane/transmit/batch.h"
#include "check.h"
#include "packets.h"
#include "udp-node.h"

using namespace sojourn;

namespace sojourn {
struct ReceiverProbe {
  static void datagrams(Receiver& receiver, std::vector<testing::Bytes>& packets,
                        const Arrival& arrival) {
    for (testing::Bytes& packet : packets) {
      receiver.receiveInner(packet.data(), packet.size(), arrival);
    }
    receiver.finishBatch();
  }
};
}  // namespace sojourn

namespace {

using testing::Bytes;
using testing::Node;

// Sends packets of one tunnel from a socket of its own to a node.
struct Sending {
  Shared shared{Options{}, [] {}};
  Counters counters;
  Node own;
  Node node;
  SendSockets sockets;
  ErrorSender errors{counters, -1};
  PathErrors pathErrors{shared, counters, errors};
  SlowPath slowPath{shared, counters, sockets};
  std::unique_ptr<UdpBatch> batch;

  Sending() {
    shared.features.udpSegmentation = true;
    TunnelSpec spec;
    spec.id = 1;
    spec.mtu = 1460;
    spec.path = node.path();
    spec.path.carrier = Carrier::udp;
    shared.tables.tunnelSet(spec);
    batch = std::make_unique<UdpBatch>(shared, counters, own.fd(), pathErrors, slowPath);
  }

  // The octets that arrive when `count` packets of `size` octets are sent at once.
  size_t sendAndReceive(size_t count, size_t size) {
    Bytes payload(count * size);
    for (size_t at = 0; at < payload.size(); at++) payload[at] = static_cast<u8>(at * 7 / 3);
    for (size_t index = 0; index < count; index++) {
      batch->add({.tunnel = shared.tables.tunnel(1),
                  .family = 6,
                  .trafficClass = 0,
                  .partCount = 1,
                  .parts = {{payload.data() + index * size, size}, {}}});
    }
    batch->flush();
    Bytes arrived;
    while (arrived.size() < payload.size()) {
      const Bytes next = node.receive();
      if (next.empty()) break;
      arrived.insert(arrived.end(), next.begin(), next.end());
    }
    CHECK(arrived == payload);
    return arrived.size();
  }
  u64 count(Counters::Name name) const { return counters.values[name].load(); }
};

void refuseSegmentation(int fd, int refused) {
  // udp_send_skb: segmentation without checksums is EINVAL.
  CHECK(::setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &refused, sizeof refused) == 0);
}

}  // namespace

TEST(refused_udp_segmentation_goes_on_one_by_one_and_comes_back) {
  Sending sending;
  CHECK_EQUAL(sending.sendAndReceive(8, 1000), 8000u);
  CHECK_EQUAL(sending.count(Counters::transmitCalls), 1);
  refuseSegmentation(sending.own.fd(), 1);
  CHECK_EQUAL(sending.sendAndReceive(8, 1000), 8000u);
  CHECK_EQUAL(sending.count(Counters::segmentationOff), 1);
  CHECK_EQUAL(sending.count(Counters::dropSendError), 0);
  CHECK_EQUAL(sending.count(Counters::outerFragments), 0);
  // No further attempt within the minute: one message for each packet.
  CHECK_EQUAL(sending.sendAndReceive(8, 1000), 8000u);
  CHECK_EQUAL(sending.count(Counters::segmentationOff), 1);
  CHECK_EQUAL(sending.count(Counters::transmitPackets), 24);
  refuseSegmentation(sending.own.fd(), 0);
  sending.shared.tables.tunnel(1)->endpoint->oneByOneUntil.set(0, 1);
  const u64 calls = sending.count(Counters::transmitCalls);
  CHECK_EQUAL(sending.sendAndReceive(8, 1000), 8000u);
  CHECK_EQUAL(sending.count(Counters::transmitCalls), calls + 1);
  CHECK(!sending.shared.tables.tunnel(1)->endpoint->oneByOneUntil.isSet());
}

TEST(super_packet_that_the_tun_refuses_is_written_in_parts) {
  // The datagram socket takes no packet above its small buffer.
  int pair[2];
  CHECK(::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  const Descriptor tun(pair[0]);
  const Descriptor host(pair[1]);
  const int octets = 4608;
  ::setsockopt(tun.get(), SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets);
  Options options;
  options.lookup = TunnelLookup::byInnerDestination;
  Shared shared(options, [] {});
  shared.features.tunSegmentation = true;
  Counters counters;
  Receiver receiver(shared, counters, tun.get(), 0);
  TunnelSpec spec;
  spec.id = 1;
  spec.mtu = 1460;
  spec.path.remotePort = 4191;
  shared.tables.tunnelSet(spec);
  std::vector<Bytes> packets;
  constexpr u32 kPayload = 1200;
  for (u32 index = 0; index < 16; index++) {
    packets.push_back(testing::tcp({}, 1 + index * kPayload, kPayload));
  }
  const std::vector<Bytes> sent = packets;
  shared.tables.routeSet({{6, 128, Address::of(6, packets[0].data() + 8)}, 1});
  std::vector<Bytes> written;
  std::thread reading([&] {
    while (written.size() < sent.size()) {
      Bytes frame(65536);
      const ssize_t length = ::recv(host.get(), frame.data(), frame.size(), 0);
      if (length <= 0) return;
      written.emplace_back(frame.begin() + sizeof(VirtioHeader), frame.begin() + length);
    }
  });
  Arrival arrival{.from = shared.tables.tunnel(1)->endpoint->identity};
  ReceiverProbe::datagrams(receiver, packets, arrival);
  reading.join();
  CHECK(written == sent);
  CHECK_EQUAL(counters.values[Counters::coalescingOff].load(), 1);
  CHECK_EQUAL(counters.values[Counters::dropWriteError].load(), 0);
}
