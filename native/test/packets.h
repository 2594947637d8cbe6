// Builds the packets of tests.
#pragma once
#include <vector>

#include "net/checksum.h"
#include "net/packet.h"

namespace sojourn::testing {

using Bytes = std::vector<u8>;

struct Flow {
  int family = 6;
  u8 protocol = kProtocolTcp;
  u16 sourcePort = 1000;
  u16 destinationPort = 2000;
  u8 host = 2;  // last octet of the source address
  u8 trafficClass = 0;
};

inline void fillTransport(Bytes& packet, const Flow& flow, size_t ip) {
  u8* transport = packet.data() + ip;
  const size_t length = packet.size() - ip;
  const size_t at = flow.protocol == kProtocolUdp ? 6 : 16;
  storeRaw16(transport + at, 0);
  const u64 pseudo = pseudoHeaderSum(packet.data(), flow.family, flow.protocol, length);
  storeRaw16(transport + at, checksumFinish(checksumAdd(transport, length, pseudo)));
}

inline size_t writeIp(Bytes& packet, const Flow& flow, size_t behind, u16 identification) {
  if (flow.family == 6) {
    packet.assign(kIpv6Header + behind, 0);
    store32(packet.data(), 0x60000000u | u32{flow.trafficClass} << 20);
    store16(packet.data() + 4, static_cast<u32>(behind));
    packet[6] = flow.protocol;
    packet[7] = 64;
    const u8 prefix[4] = {0x20, 0x01, 0x0d, 0xb8};
    std::memcpy(packet.data() + 8, prefix, 4);
    std::memcpy(packet.data() + 24, prefix, 4);
    packet[23] = flow.host;
    packet[39] = 1;
    return kIpv6Header;
  }
  packet.assign(kIpv4Header + behind, 0);
  packet[0] = 0x45;
  packet[1] = flow.trafficClass;
  store16(packet.data() + 2, static_cast<u32>(packet.size()));
  store16(packet.data() + 4, identification);
  packet[6] = 0x40;
  packet[8] = 64;
  packet[9] = flow.protocol;
  const u8 addresses[8] = {192, 0, 2, flow.host, 192, 0, 2, 1};
  std::memcpy(packet.data() + 12, addresses, 8);
  writeIpv4Checksum(packet.data(), kIpv4Header);
  return kIpv4Header;
}

// The payload depends on the sequence number, so that segmented and coalesced packets can be
// compared.
inline Bytes tcp(const Flow& flow, u32 sequence, size_t payload, u8 flags = 0x10,
                 u16 identification = 7) {
  Bytes packet;
  const size_t ip = writeIp(packet, flow, 20 + payload, identification);
  u8* header = packet.data() + ip;
  store16(header, flow.sourcePort);
  store16(header + 2, flow.destinationPort);
  store32(header + 4, sequence);
  store32(header + 8, 77);
  header[12] = 5 << 4;
  header[13] = flags;
  store16(header + 14, 500);
  for (size_t index = 0; index < payload; index++) {
    header[20 + index] = static_cast<u8>((sequence + index) * 7);
  }
  fillTransport(packet, flow, ip);
  return packet;
}

inline Bytes udp(const Flow& given, size_t payload, u8 first = 0) {
  Flow flow = given;
  flow.protocol = kProtocolUdp;
  Bytes packet;
  const size_t ip = writeIp(packet, flow, kUdpHeader + payload, 7);
  u8* header = packet.data() + ip;
  store16(header, flow.sourcePort);
  store16(header + 2, flow.destinationPort);
  store16(header + 4, static_cast<u32>(kUdpHeader + payload));
  for (size_t index = 0; index < payload; index++) {
    header[8 + index] = static_cast<u8>(first + index);
  }
  fillTransport(packet, flow, ip);
  return packet;
}

inline PacketView viewOf(Bytes& packet) {
  PacketView view{};
  if (!viewPacket(packet.data(), packet.size(), view)) view.length = 0;
  return view;
}

// True if the transport checksum of a whole TCP or UDP packet is correct.
inline bool transportRight(Bytes& packet) {
  const PacketView view = viewOf(packet);
  const size_t length = view.length - view.headerLength;
  const u64 pseudo = pseudoHeaderSum(view.data, view.family, view.protocol, length);
  return checksumFinish(checksumAdd(view.data + view.headerLength, length, pseudo)) == 0;
}

}  // namespace sojourn::testing
