#include "net/optimized.h"

#include <algorithm>

namespace sojourn {
namespace {

constexpr u8 kOptionPadN = 1;
constexpr u8 kOptionHomeAddress = 201;
constexpr u8 kUnits = kHomeAddressHeader / 8 - 1;
constexpr u8 kTypeTwo = 2;
constexpr size_t kFragmentHeader = 8;

void writeRouting(u8 next, const u8* homeAddress, u8* out) {
  const u8 fixed[8] = {next, kUnits, kTypeTwo, 1, 0, 0, 0, 0};
  std::memcpy(out, fixed, sizeof fixed);
  std::memcpy(out + sizeof fixed, homeAddress, 16);
}

void writeHomeAddressOption(u8 next, const u8* homeAddress, u8* out) {
  const u8 fixed[8] = {next, kUnits, kOptionPadN, 2, 0, 0, kOptionHomeAddress, 16};
  std::memcpy(out, fixed, sizeof fixed);
  std::memcpy(out + sizeof fixed, homeAddress, 16);
}

}  // namespace

bool isForOptimizedPath(const OuterPath& path, const PacketView& packet) {
  if (packet.family != 6 || packet.protocol == kProtocolHopByHop) return false;
  const bool fromHere = path.local == Address::of(6, packet.source());
  const bool toThere = path.remote == Address::of(6, packet.destination());
  return fromHere != toThere;
}

void writeOptimizedHeaders(const OuterPath& path, const u8* own, size_t length, u8* out) {
  std::memcpy(out, own, kIpv6Header);
  store16(out + 4, static_cast<u32>(length - kIpv6Header + kHomeAddressHeader));
  const bool toMobile = path.local == Address::of(6, own + 8);
  if (toMobile) {
    out[6] = kProtocolRouting;
    std::memcpy(out + 24, path.remote.bytes, 16);
    writeRouting(own[6], own + 24, out + kIpv6Header);
  } else {
    out[6] = kProtocolDestination;
    std::memcpy(out + 8, path.local.bytes, 16);
    writeHomeAddressOption(own[6], own + 8, out + kIpv6Header);
  }
}

Packets fragmentOptimized(const OuterPath& path, const OuterPayload& packet, size_t mtu,
                          u32 identification) {
  u8 headers[kOptimizedHeaders];
  writeOptimizedHeaders(path, packet.data, packet.length, headers);
  const u8* behind = packet.data + kIpv6Header;
  const size_t payload = packet.length - kIpv6Header;
  const size_t limit = std::max(mtu, kIpv6MinimumMtu);
  Packets fragments;
  if (kOptimizedHeaders + payload <= limit) {
    std::vector<u8> whole(headers, headers + kOptimizedHeaders);
    whole.insert(whole.end(), behind, behind + payload);
    fragments.push_back(std::move(whole));
    return fragments;
  }
  u8* next = headers + kIpv6Header;
  const u8 protocol = *next;
  *next = kProtocolFragment;
  const size_t piece = (limit - kOptimizedHeaders - kFragmentHeader) & ~size_t{7};
  for (size_t at = 0; at < payload; at += piece) {
    const size_t length = std::min(piece, payload - at);
    std::vector<u8> fragment(headers, headers + kOptimizedHeaders);
    fragment.resize(kOptimizedHeaders + kFragmentHeader);
    store16(fragment.data() + 4,
            static_cast<u32>(kHomeAddressHeader + kFragmentHeader + length));
    u8* header = fragment.data() + kOptimizedHeaders;
    header[0] = protocol;
    store16(header + 2, static_cast<u32>(at) | (at + length < payload ? 1 : 0));
    store32(header + 4, identification);
    fragment.insert(fragment.end(), behind + at, behind + at + length);
    fragments.push_back(std::move(fragment));
  }
  return fragments;
}

}  // namespace sojourn
