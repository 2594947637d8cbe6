#include "path-mtu/clamp-mss.h"

#include "net/checksum.h"

namespace sojourn {
namespace {

constexpr size_t kTcpHeader = 20;
constexpr u8 kEndOfOptions = 0;
constexpr u8 kNoOperation = 1;
constexpr u8 kMaximumSegmentSize = 2;
constexpr u8 kMssLength = 4;

// The offset of the option's value in the TCP header; 0: there is no such option.
size_t mssOffset(const u8* tcp, size_t headerLength) {
  for (size_t at = kTcpHeader; at < headerLength;) {
    const u8 kind = tcp[at];
    if (kind == kEndOfOptions) return 0;
    if (kind == kNoOperation) {
      at++;
      continue;
    }
    if (at + 2 > headerLength) return 0;
    const u8 length = tcp[at + 1];
    if (length < 2 || at + length > headerLength) return 0;
    if (kind == kMaximumSegmentSize) return length == kMssLength ? at + 2 : 0;
    at += length;
  }
  return 0;
}

}  // namespace

bool clampMss(const PacketView& view, const Tunnel& tunnel) {
  const UpperLayer upper = upperLayer(view);
  if (upper.protocol != kProtocolTcp || upper.offset + kTcpHeader > view.length ||
      (view.data[upper.offset + 13] & kTcpSyn) == 0) {
    return false;
  }
  return lowerMss(view, upper.offset, tunnel.effectiveMtu());
}

bool lowerMss(const PacketView& view, u32 tcpOffset, size_t mtu) {
  u8* tcp = view.data + tcpOffset;
  const size_t headerLength = (tcp[12] >> 4) * size_t{4};
  if (headerLength < kTcpHeader || tcpOffset + headerLength > view.length) return false;
  const size_t at = mssOffset(tcp, headerLength);
  const size_t headers = (view.family == 6 ? kIpv6Header : kIpv4Header) + kTcpHeader;
  if (at == 0 || mtu <= headers || load16(tcp + at) <= mtu - headers) return false;
  u8 before[2];
  std::memcpy(before, tcp + at, 2);
  store16(tcp + at, static_cast<u32>(mtu - headers));
  // RFC 1624 §3, eqn. 3: HC' = ~(~HC + ~m + m'). A value at an odd offset lies across two words,
  // which is the same sum with its octets swapped.
  u16 old = raw16(before);
  u16 now = raw16(tcp + at);
  if (at % 2 != 0) {
    old = __builtin_bswap16(old);
    now = __builtin_bswap16(now);
  }
  const u64 sum = u64{static_cast<u16>(~raw16(tcp + 16))} + static_cast<u16>(~old) + now;
  storeRaw16(tcp + 16, checksumFinish(sum));
  return true;
}

}  // namespace sojourn
