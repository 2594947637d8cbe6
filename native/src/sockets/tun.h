// The TUN device: one queue for each pair of packet threads, a virtio-net header in front of every
// packet. The kernel removes it when the last descriptor closes (no TUNSETPERSIST), so that a
// killed daemon leaves no device.
#pragma once
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "net/virtio.h"

namespace sojourn {

struct TunFeatures {
  bool tcp = false;
  bool udp = false;
};

class Tun {
 public:
  // Throws SystemError.
  Tun(const std::string& name, int mtu, int queues);

  int queue(int index) const { return queues_[static_cast<size_t>(index)].get(); }
  int index() const { return index_; }
  const TunFeatures& features() const { return features_; }

 private:
  Descriptor openQueue(const std::string& name, bool several, bool first);
  void bringUp(const std::string& name, int mtu);

  std::vector<Descriptor> queues_;
  TunFeatures features_;
  int index_ = 0;
};

}  // namespace sojourn
