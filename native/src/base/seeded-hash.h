#pragma once
#include "base/bytes.h"

namespace sojourn {

// Seeded at start: a peer that chooses its addresses and ports cannot choose the slots they fall
// into.
u64 mixKey(u64 a, u64 b);

}  // namespace sojourn
