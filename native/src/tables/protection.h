// The protection of the inner packets of a tunnel. Another kind (ESP, RFC 4303) is one more
// enumerator with its overhead; the outer path stays as it is.
#pragma once
#include "net/sealed-datagram.h"

namespace sojourn {

enum class Protection : u8 { none = 0, sealed = 1 };

// Octets around a protected inner packet.
constexpr size_t protectionOverhead(Protection protection) {
  return protection == Protection::sealed ? kSealedOverhead : 0;
}

}  // namespace sojourn
