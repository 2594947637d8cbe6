#include "base/seeded-hash.h"

#include <random>

namespace sojourn {
namespace {

u64 randomWord() {
  std::random_device device;
  return (u64{device()} << 32 | device()) | 1;
}

const u64 seedA = randomWord();
const u64 seedB = randomWord();

}  // namespace

u64 mixKey(u64 a, u64 b) {
  const unsigned __int128 first = static_cast<unsigned __int128>(a ^ seedA) * (b ^ seedB);
  const u64 folded = static_cast<u64>(first) ^ static_cast<u64>(first >> 64);
  // If one factor is zero, the other is lost: mix both in again.
  const unsigned __int128 second =
      static_cast<unsigned __int128>(folded ^ a ^ 0x9e3779b97f4a7c15u) * (b ^ seedA);
  return static_cast<u64>(second) ^ static_cast<u64>(second >> 64) ^ folded;
}

}  // namespace sojourn
