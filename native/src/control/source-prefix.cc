#include "control/source-prefix.h"

#include "base/seeded-hash.h"

namespace sojourn {
namespace {

constexpr unsigned kBits6[SourcePrefixes::kLevels] = {32, 48, 64};
constexpr unsigned kBits4[SourcePrefixes::kLevels] = {16, 24, 32};
// No address has such a family and prefix length.
constexpr u64 kNoAddress = u64{1} << 32;

}  // namespace

u64 prefixHash(int family, const Address& address, unsigned bits) {
  Address prefix{};
  std::memcpy(prefix.bytes, address.bytes, bits / 8);
  return mixKey(mixKey(prefix.high(), prefix.low()), static_cast<u64>(family) << 8 | bits);
}

SourcePrefixes SourcePrefixes::of(int family, const Address& address, u64 part) {
  SourcePrefixes prefixes;
  for (int level = 0; level < kLevels; level++) {
    prefixes.hash[level] = prefixHash(family, address, (family == 6 ? kBits6 : kBits4)[level]);
  }
  if (part != 0) prefixes.hash[kLevels - 1] = mixKey(prefixes.hash[kLevels - 1], part);
  return prefixes;
}

SourcePrefixes SourcePrefixes::ofSender(u64 group, u64 sender) {
  const u64 wide = mixKey(group, kNoAddress);
  const u64 narrow = mixKey(wide, sender);
  return {{wide, mixKey(wide, kNoAddress + 1), mixKey(narrow, kNoAddress + 2)}};
}

}  // namespace sojourn
