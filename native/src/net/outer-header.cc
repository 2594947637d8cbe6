#include "net/outer-header.h"

#include <algorithm>

#include "net/checksum.h"
#include "net/ecn.h"

namespace sojourn {
namespace {

constexpr u16 kDontFragment = 0x4000;
constexpr u16 kMoreFragments = 0x2000;
constexpr u8 kCopiedOption = 0x80;

size_t writeOuter4(const OuterPath& path, u8 protocol, u8 trafficClass, size_t payload, u8* out) {
  std::memset(out, 0, kIpv4Header);
  out[0] = 0x45;
  out[1] = trafficClass;
  store16(out + 2, static_cast<u32>(kIpv4Header + payload));
  store16(out + 6, kDontFragment);
  out[8] = kOuterHopLimit;
  out[9] = protocol;
  std::memcpy(out + 12, path.local.bytes, 4);
  std::memcpy(out + 16, path.remote.bytes, 4);
  writeIpv4Checksum(out, kIpv4Header);
  return kIpv4Header;
}

size_t writeOuter6(const OuterPath& path, u8 protocol, u8 trafficClass, size_t payload, u8* out) {
  store32(out, 0x60000000u | u32{trafficClass} << 20);
  store16(out + 4, static_cast<u32>(payload));
  out[6] = protocol;
  out[7] = kOuterHopLimit;
  std::memcpy(out + 8, path.local.bytes, 16);
  std::memcpy(out + 24, path.remote.bytes, 16);
  return kIpv6Header;
}

// Turns options that are not copied into No Operation (RFC 791 §3.1), so that the headers of all
// fragments have the same length.
void blankUncopiedOptions(u8* header, size_t headerLength) {
  for (size_t at = kIpv4Header; at < headerLength;) {
    const u8 type = header[at];
    if (type == 0) return;
    const size_t size = type == 1 ? 1 : at + 1 < headerLength ? header[at + 1] : 0;
    if (size == 0 || at + size > headerLength) return;
    if (size > 1 && (type & kCopiedOption) == 0) std::memset(header + at, 1, size);
    at += size;
  }
}

Packets fragmentIpv6(const std::vector<u8>& packet, size_t mtu, u32 identification) {
  Packets fragments;
  const size_t piece = (mtu - kIpv6Header - 8) & ~size_t{7};
  const size_t payload = packet.size() - kIpv6Header;
  for (size_t at = 0; at < payload; at += piece) {
    const size_t length = std::min(piece, payload - at);
    std::vector<u8> fragment(kIpv6Header + 8 + length);
    std::memcpy(fragment.data(), packet.data(), kIpv6Header);
    store16(fragment.data() + 4, static_cast<u32>(8 + length));
    fragment[6] = kProtocolFragment;
    u8* header = fragment.data() + kIpv6Header;
    header[0] = packet[6];
    store16(header + 2, static_cast<u32>(at) | (at + length < payload ? 1 : 0));
    store32(header + 4, identification);
    std::memcpy(header + 8, packet.data() + kIpv6Header + at, length);
    fragments.push_back(std::move(fragment));
  }
  return fragments;
}

struct UdpPorts {
  u16 source;
  u16 destination;
};

void writeUdp(u8* ip, int family, size_t payload, const UdpPorts& ports) {
  u8* udp = ip + (family == 6 ? kIpv6Header : kIpv4Header);
  store16(udp, ports.source);
  store16(udp + 2, ports.destination);
  store16(udp + 4, static_cast<u32>(kUdpHeader + payload));
  store16(udp + 6, 0);
  const u64 pseudo = pseudoHeaderSum(ip, family, kProtocolUdp, kUdpHeader + payload);
  const u16 checksum = checksumFinish(checksumAdd(udp, kUdpHeader + payload, pseudo));
  storeRaw16(udp + 6, checksum == 0 ? 0xffff : checksum);
}

}  // namespace

size_t writeOuterHeader(const OuterPath& path, u8 protocol, u8 trafficClass, size_t payload,
                        u8* out) {
  const u8 next = path.carrier == Carrier::udp ? kProtocolUdp : protocol;
  return path.family == 6 ? writeOuter6(path, next, trafficClass, payload, out)
                          : writeOuter4(path, next, trafficClass, payload, out);
}

Packets encapsulateFragmented(const OuterPath& path, const OuterPayload& payload,
                              const OuterFragmentation& fragmentation) {
  const bool udp = path.carrier == Carrier::udp;
  const size_t behind = payload.length + (udp ? kUdpHeader : 0);
  std::vector<u8> whole(kMaximumOuterHeader + behind);
  const u8 trafficClass = outerTrafficClass(payload.trafficClass);
  const size_t header =
      writeOuterHeader(path, payload.protocol, trafficClass, behind, whole.data());
  whole.resize(header + behind);
  std::memcpy(whole.data() + whole.size() - payload.length, payload.data, payload.length);
  if (udp) {
    writeUdp(whole.data(), path.family, payload.length,
             {.source = fragmentation.sourcePort, .destination = path.remotePort});
  }
  if (path.family == 6) {
    if (whole.size() <= fragmentation.mtu) return {std::move(whole)};
    const size_t mtu = std::max(fragmentation.mtu, kIpv6MinimumMtu);
    return fragmentIpv6(whole, mtu, fragmentation.identification);
  }
  store16(whole.data() + 4, fragmentation.identification & 0xffff);
  store16(whole.data() + 6, 0);
  writeIpv4Checksum(whole.data(), kIpv4Header);
  PacketView view;
  if (!viewPacket(whole.data(), whole.size(), view)) return {};
  return fragmentIpv4(view, fragmentation.mtu);
}

Packets fragmentIpv4(const PacketView& packet, size_t mtu) {
  if (mtu < packet.headerLength + size_t{8}) return {};
  Packets fragments;
  const size_t piece = (mtu - packet.headerLength) & ~size_t{7};
  const size_t payload = packet.length - packet.headerLength;
  // The packet may be a fragment itself: its offset and "more fragments" carry on.
  const u16 field = load16(packet.data + 6);
  const size_t firstOffset = (field & 0x1fff) * size_t{8};
  for (size_t at = 0; at < payload || at == 0; at += piece) {
    const size_t length = std::min(piece, payload - at);
    std::vector<u8> fragment(packet.data, packet.data + packet.headerLength);
    if (at > 0) blankUncopiedOptions(fragment.data(), packet.headerLength);
    fragment.insert(fragment.end(), packet.data + packet.headerLength + at,
                    packet.data + packet.headerLength + at + length);
    const bool last = at + length >= payload;
    const u32 more = last ? field & kMoreFragments : kMoreFragments;
    store16(fragment.data() + 2, static_cast<u32>(fragment.size()));
    store16(fragment.data() + 6, static_cast<u32>((firstOffset + at) / 8) | more);
    writeIpv4Checksum(fragment.data(), packet.headerLength);
    fragments.push_back(std::move(fragment));
  }
  return fragments;
}

}  // namespace sojourn
