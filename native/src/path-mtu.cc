#include "path-mtu.h"

#include <algorithm>

namespace sojourn {

void PathMtu::learnFrom(int fd, Encapsulation encapsulation) {
  drainErrors(fd, [&](const PathMtuReport& report) { learn(report, encapsulation); });
}

void PathMtu::learn(const PathMtuReport& report, Encapsulation encapsulation) {
  const u16 port = encapsulation == Encapsulation::udp ? report.port : u16{0};
  Endpoint* endpoint = shared_.tables.endpoint({report.remote, port, report.family, encapsulation});
  if (endpoint == nullptr) return;
  const u16 least = report.family == 6 ? static_cast<u16>(kIpv6MinimumMtu) : kLeast4;
  const u16 mtu = std::max(report.mtu, least);
  const u16 before = endpoint->pathMtu.load(std::memory_order_relaxed);
  if (before != 0 && before <= mtu) return;
  endpoint->pathMtuAt.store(static_cast<u32>(monotonicMs() / 1000), std::memory_order_relaxed);
  endpoint->pathMtu.store(mtu, std::memory_order_relaxed);
  counters_.add(Counters::pathMtuLearnt);
}

}  // namespace sojourn
