#pragma once
#include "base/bytes.h"

namespace sojourn {

// The seed is chosen at start, so that a peer that chooses its addresses and ports cannot choose
// the slots of the hash table.
u64 mixKey(u64 a, u64 b);

}  // namespace sojourn
