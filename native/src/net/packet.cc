#include "net/packet.h"

#include "net/checksum.h"

namespace sojourn {
namespace {

constexpr u8 kOptionPad1 = 0;
constexpr u8 kOptionHomeAddress = 201;
// No sane packet has more headers. Bounds the work for one packet.
constexpr int kMaximumHeaders = 12;

PacketView ipv4View(u8* data, u32 length, u32 headerLength) {
  return {.data = data,
          .length = length,
          .headerLength = static_cast<u16>(headerLength),
          .family = 4,
          .protocol = data[9],
          .trafficClass = data[1],
          .fragment = (load16(data + 6) & 0x3fff) != 0};
}

PacketView ipv6View(u8* data, u32 length) {
  return {.data = data,
          .length = length,
          .headerLength = kIpv6Header,
          .family = 6,
          .protocol = data[6],
          .trafficClass = static_cast<u8>((data[0] & 15) << 4 | data[1] >> 4),
          .fragment = false};
}

bool viewIpv4(u8* data, size_t length, PacketView& view) {
  if (length < kIpv4Header) return false;
  const u32 headerLength = (data[0] & 15) * 4u;
  const u32 total = load16(data + 2);
  if (headerLength < kIpv4Header || total < headerLength || total > length) return false;
  view = ipv4View(data, total, headerLength);
  return true;
}

bool viewIpv6(u8* data, size_t length, PacketView& view) {
  if (length < kIpv6Header) return false;
  const u32 total = kIpv6Header + load16(data + 4);
  if (total > length) return false;
  view = ipv6View(data, total);
  return true;
}

bool hasHomeAddressOption(const u8* options, size_t length) {
  size_t at = 0;
  while (at < length) {
    if (options[at] == kOptionPad1) {
      at++;
      continue;
    }
    if (at + 2 > length) return false;
    if (options[at] == kOptionHomeAddress && options[at + 1] == 16) return at + 18 <= length;
    at += 2u + options[at + 1];
  }
  return false;
}

// Steps over one options or routing header. False if it exceeds the packet.
bool stepOver(const u8* packet, size_t length, ChainEnd& end) {
  if (end.offset + 8 > length) return false;
  const u8* header = packet + end.offset;
  const size_t size = 8u + header[1] * 8u;
  if (end.offset + size > length) return false;
  if (end.protocol == kProtocolDestination && hasHomeAddressOption(header + 2, size - 2)) {
    end.homeAddressOption = true;
  }
  if (end.protocol == kProtocolRouting) {
    if (header[3] > 0) end.routing = true;
    if (header[2] == 2) end.typeTwoRouting = true;
  }
  end.protocol = header[0];
  end.nextHeaderAt = end.offset;
  end.offset += static_cast<u32>(size);
  return true;
}

}  // namespace

bool viewPacket(u8* data, size_t length, PacketView& view) {
  if (length < 1) return false;
  const int version = data[0] >> 4;
  if (version == 6) return viewIpv6(data, length, view);
  return version == 4 && viewIpv4(data, length, view);
}

bool viewQuoted(u8* data, size_t length, PacketView& view) {
  if (length < 1 || length > 65535) return false;
  const u32 quoted = static_cast<u32>(length);
  if (data[0] >> 4 == 6 && length >= kIpv6Header) {
    view = ipv6View(data, quoted);
    return true;
  }
  const u32 headerLength = (data[0] & 15) * 4u;
  if (data[0] >> 4 != 4 || headerLength < kIpv4Header || length < headerLength) return false;
  view = ipv4View(data, quoted, headerLength);
  return true;
}

ChainEnd walkChain(const u8* packet, size_t length) {
  ChainEnd end;
  end.protocol = packet[6];
  end.offset = kIpv6Header;
  for (int headers = 0; isExtensionHeader(end.protocol); headers++) {
    if (headers == kMaximumHeaders) {
      end.malformed = true;
      return end;
    }
    if (end.protocol == kProtocolFragment) {
      if (end.offset + 8 > length) {
        end.malformed = true;
        return end;
      }
      const u8* header = packet + end.offset;
      end.protocol = header[0];
      end.offset += 8;
      // An atomic fragment (RFC 6946) is a whole packet.
      if ((load16(header + 2) & 0xfff9) != 0) {
        end.fragment = true;
        return end;
      }
      end.atomicAt = end.offset - 8;
      end.atomicNamedAt = end.nextHeaderAt;
      end.nextHeaderAt = end.atomicAt;
    } else if (!stepOver(packet, length, end)) {
      end.malformed = true;
      return end;
    }
  }
  return end;
}

UpperLayer upperLayer(const PacketView& view) {
  if (view.family == 4) {
    return {view.fragment ? u8{kProtocolNone} : view.protocol, view.headerLength};
  }
  if (!isExtensionHeader(view.protocol)) return {view.protocol, kIpv6Header};
  const ChainEnd end = walkChain(view.data, view.length);
  return {end.malformed || end.fragment ? u8{kProtocolNone} : end.protocol, end.offset};
}

unsigned encapsulations(const PacketView& view, u16 udpPort) {
  PacketView at = view;
  for (unsigned depth = 0; depth < kNestingLimit; depth++) {
    const UpperLayer upper = upperLayer(at);
    u32 offset = upper.offset;
    if (upper.protocol == kProtocolUdp) {
      if (offset + 8 > at.length) return depth;
      const u8* header = at.data + offset;
      if (load16(header) != udpPort && load16(header + 2) != udpPort) return depth;
      offset += 8;
    } else if (upper.protocol != kProtocolIpv6 && upper.protocol != kProtocolIpv4) {
      return depth;
    }
    if (!viewPacket(at.data + offset, at.length - offset, at)) return depth;
  }
  return kNestingLimit;
}

void setEcn(PacketView& view, u8 ecn) {
  const u8 before = view.trafficClass;
  const u8 after = static_cast<u8>((before & 0xfc) | ecn);
  view.trafficClass = after;
  if (view.family == 6) {
    view.data[1] = static_cast<u8>((view.data[1] & 0xcf) | ecn << 4);
    return;
  }
  // RFC 1624 §3: HC' = ~(~HC + ~m + m'). A wrong checksum stays wrong.
  const u16 old = raw16(view.data);
  view.data[1] = after;
  const u64 sum =
      u64{static_cast<u16>(~raw16(view.data + 10))} + static_cast<u16>(~old) + raw16(view.data);
  storeRaw16(view.data + 10, checksumFinish(sum));
}

}  // namespace sojourn
