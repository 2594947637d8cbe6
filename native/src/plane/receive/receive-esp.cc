// The receiver's ESP path (RFC 4303 §3.4, tunnel mode): behind an IPv6 header, or in UDP over IPv4
// (RFC 3948).
#include "plane/receive/receiver.h"

namespace sojourn {
namespace {

// RFC 3948 §2.3.
constexpr u8 kNatKeepalive = 0xff;
// RFC 3948 §2.2: in the place of an SPI, in front of a message of IKE.
constexpr u32 kNonEspMarker = 0;

}  // namespace

bool Receiver::pollEsp(int fd, u64 nowMs) {
  nowMs_ = nowMs;
  return pollDatagrams(fd, 4, kEspUdp.protection());
}

void Receiver::receiveEspDatagram(u8* data, size_t length, const Arrival& arrival) {
  if (length == 1 && data[0] == kNatKeepalive) {
    counters_.add(Counters::natKeepalives);
    return;
  }
  if (length < kEspHeader) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  const u32 spi = load32(data);
  EspReceiveKey* key = shared_.tables.espReceiveKey(spi);
  if (key == nullptr) {
    counters_.add(spi == kNonEspMarker ? Counters::dropDatagramType : Counters::dropUnknownSpi);
    return;
  }
  openEsp(*key, data, length, arrival);
}

bool Receiver::receiveEspPacket(const PacketView& outer, u32 offset) {
  if (offset + kEspHeader > outer.length) return false;
  EspReceiveKey* key = shared_.tables.espReceiveKey(load32(outer.data + offset));
  // The tap of a router also sees packets that it forwards.
  if (key == nullptr || !isForThisHost(outer)) return false;
  openEsp(*key, outer.data + offset, outer.length - offset,
          {.from = {.remote = Address::of(6, outer.source()),
                    .family = 6,
                    .encapsulation = {Carrier::ip, Protection::espGcm}},
           .local = Address::of(6, outer.destination()),
           .trafficClass = outer.trafficClass});
  return true;
}

void Receiver::openEsp(EspReceiveKey& key, u8* packet, size_t length, Arrival arrival) {
  EspPayload payload;
  const OpenResult opened = key.open(slot_, packet, length, payload);
  if (opened != OpenResult::packet) {
    countUnopened(opened);
    return;
  }
  const Tunnel* tunnel = shared_.tables.tunnel(key.tunnel);
  if (tunnel == nullptr || tunnel->protection != key.protection()) {
    counters_.add(Counters::dropPermit);
    return;
  }
  arrival.from.encapsulation = {arrival.from.encapsulation.carrier(), key.protection()};
  if (tunnel->endpoint->identity == arrival.from) {
    tunnel->received(length);
  } else {
    noticeRoaming(*key.notices, key.tunnel, arrival, 0);
  }
  if (payload.nextHeader == kEspDummy) {
    counters_.add(Counters::espDummies);
    return;
  }
  u8* inner = packet + payload.offset;
  const u8 version = payload.length == 0 ? 0 : inner[0] >> 4;
  const bool six = payload.nextHeader == kProtocolIpv6 && version == 6;
  const bool four = payload.nextHeader == kProtocolIpv4 && version == 4;
  if (!six && !four) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  arrival.authenticated = tunnel;
  receiveInner(inner, payload.length, arrival);
}

}  // namespace sojourn
