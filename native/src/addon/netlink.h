// NETLINK_ROUTE for JavaScript: requests that are answered before the call returns, and
// notifications read by a thread. Messages stay bytes here; the codec is in TypeScript.
#pragma once
#include <functional>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace sojourn {

using Datagrams = std::vector<std::vector<u8>>;

class Netlink {
 public:
  // From the reading thread; `overrun`: the kernel dropped notifications.
  using Handler = std::function<void(Datagrams&&, bool overrun)>;

  // Throws SystemError.
  Netlink();
  ~Netlink();

  // `message` is one request with NLM_F_ACK or NLM_F_DUMP; the answer ends with its
  // acknowledgement. Throws SystemError.
  Datagrams request(const u8* message, size_t length);
  // Once. Throws SystemError.
  void subscribe(const std::vector<int>& groups, Handler handler);

 private:
  void read(const Handler& handler);

  Descriptor requests_;
  Descriptor notifications_;
  Descriptor stop_;
  std::thread reader_;
};

}  // namespace sojourn
