// ECN across tunnels: RFC 6040, normal mode. DSCP: copied to the outer header, and left as it is in
// the inner one (RFC 2983: uniform model on entry, pipe model on exit).
#pragma once
#include "base/bytes.h"

namespace sojourn {

// RFC 6040 §4.2, figure 4, [inner][outer]; 0xff: drop.
inline constexpr u8 kDecapsulatedEcn[4][4] = {
    // outer:  Not-ECT ECT(1) ECT(0) CE
    {0, 0, 0, 0xff},  // inner Not-ECT
    {1, 1, 1, 3},     // inner ECT(1)
    {2, 1, 2, 3},     // inner ECT(0)
    {3, 3, 3, 3},     // inner CE
};

inline u8 decapsulatedEcn(u8 inner, u8 outer) { return kDecapsulatedEcn[inner & 3][outer & 3]; }

// RFC 6040 §4.1: normal mode copies the field.
inline u8 outerTrafficClass(u8 inner) { return inner; }

}  // namespace sojourn
