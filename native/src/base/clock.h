#pragma once
#include <time.h>

#include "base/bytes.h"

namespace sojourn {

inline u64 monotonicMs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<u64>(now.tv_sec) * 1000 + static_cast<u64>(now.tv_nsec) / 1000000;
}

}  // namespace sojourn
