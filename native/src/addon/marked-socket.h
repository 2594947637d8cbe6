// Sockets with a firewall mark, which Node cannot make; Node takes them by their descriptor.
#pragma once
#include <string>

#include "base/bytes.h"

namespace sojourn {

struct MarkedSocketOptions {
  bool stream;
  int family;
  int mark;
  // The source address; unset lets routing choose.
  const Address* source;
};

// Returns a descriptor that the caller owns. Throws SystemError.
int openMarkedSocket(const MarkedSocketOptions& options);

}  // namespace sojourn
