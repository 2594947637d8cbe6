// NETLINK_ROUTE for JavaScript: requests that return with their answer, and notifications that a
// thread reads. Messages are octets here; the codec is in TypeScript.
#pragma once
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace sojourn {

using Datagrams = std::vector<std::vector<u8>>;

// Default routes, and every route of this routing protocol. A host may have a million others.
struct RelevantRoutes {
  u8 protocol;
};

class Netlink {
 public:
  // Called on the reading thread. `overrun`: the kernel dropped notifications.
  using Handler = std::function<void(Datagrams&&, bool overrun)>;

  // Throws SystemError.
  Netlink();
  ~Netlink();

  // `message` is one request with NLM_F_ACK or NLM_F_DUMP. Returns the answer to its end. Throws
  // SystemError.
  Datagrams request(const u8* message, size_t length);
  // Returns the relevant routes of a dump; nothing if it takes longer than `budgetMs`. Throws
  // SystemError.
  std::optional<Datagrams> dumpRoutes(const u8* message, size_t length, RelevantRoutes routes,
                                      u64 budgetMs);
  // Notifications of routes are of relevant ones only. May be called once. Throws SystemError.
  void subscribe(const std::vector<int>& groups, RelevantRoutes routes, Handler handler);

 private:
  template <class Take>
  bool ask(const u8* message, size_t length, Take&& take);
  void read(const Handler& handler);

  Descriptor requests_;
  Descriptor notifications_;
  Descriptor stop_;
  std::thread reader_;
};

}  // namespace sojourn
