#include "path-mtu/path-probe.h"

#include <algorithm>

#include "net/checksum.h"

namespace sojourn {
namespace {

// fe80::5350:4d54:5500:1 and …:2
constexpr u8 kPrefix[15] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x53, 0x50, 0x4d, 0x54, 0x55, 0, 0};
constexpr u8 kEchoRequest = 128;
constexpr u8 kEchoReply = 129;
constexpr u16 kIdentifier = 0x4d54;
constexpr u8 kHopLimit = 255;

}  // namespace

std::vector<u8> writePathProbe(const PathProbe& probe, size_t length) {
  std::vector<u8> packet(std::max(length, kPathProbeMinimum));
  store32(packet.data(), 0x60000000);
  store16(packet.data() + 4, static_cast<u32>(packet.size() - kIpv6Header));
  packet[6] = kProtocolIcmpv6;
  packet[7] = kHopLimit;
  std::memcpy(packet.data() + 8, kPrefix, sizeof kPrefix);
  std::memcpy(packet.data() + 24, kPrefix, sizeof kPrefix);
  packet[23] = 1;
  packet[39] = 2;
  u8* icmp = packet.data() + kIpv6Header;
  icmp[0] = probe.answer ? kEchoReply : kEchoRequest;
  store16(icmp + 4, kIdentifier);
  store16(icmp + 6, probe.size);
  std::memcpy(icmp + 8, &probe.nonce, sizeof probe.nonce);
  const size_t behind = packet.size() - kIpv6Header;
  const u64 pseudo = pseudoHeaderSum(packet.data(), 6, kProtocolIcmpv6, behind);
  storeRaw16(icmp + 2, checksumFinish(checksumAdd(icmp, behind, pseudo)));
  return packet;
}

bool readPathProbe(const PacketView& view, PathProbe& probe) {
  if (view.family != 6 || view.protocol != kProtocolIcmpv6 || view.length < kPathProbeMinimum ||
      std::memcmp(view.destination(), kPrefix, sizeof kPrefix) != 0 ||
      std::memcmp(view.source(), kPrefix, sizeof kPrefix) != 0) {
    return false;
  }
  const u8* icmp = view.data + kIpv6Header;
  if ((icmp[0] != kEchoRequest && icmp[0] != kEchoReply) || load16(icmp + 4) != kIdentifier) {
    return false;
  }
  probe.answer = icmp[0] == kEchoReply;
  probe.size = load16(icmp + 6);
  std::memcpy(&probe.nonce, icmp + 8, sizeof probe.nonce);
  return true;
}

}  // namespace sojourn
