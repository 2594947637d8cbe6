// What others leave to the first transmitting thread: to look at the packets held for tunnels, and
// packets that have to go into tunnels.
#pragma once
#include <sys/eventfd.h>
#include <unistd.h>

#include <mutex>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/system-error.h"

namespace sojourn {

class Errands {
 public:
  static constexpr size_t kMaximumPackets = 256;

  Errands() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_) failed("eventfd");
  }

  // Readable when there is something to do.
  int fd() const { return event_.get(); }
  void wake() {
    const u64 one = 1;
    // Full is awake.
    if (::write(event_.get(), &one, sizeof one) < 0) return;
  }
  // An inner packet, read as if it came from the TUN. False when there are too many.
  bool push(std::vector<u8>&& packet) {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      if (packets_.size() >= kMaximumPackets) return false;
      packets_.push_back(std::move(packet));
    }
    wake();
    return true;
  }
  std::vector<std::vector<u8>> take() {
    u64 count;
    if (::read(event_.get(), &count, sizeof count) < 0) count = 0;
    const std::lock_guard<std::mutex> guard(mutex_);
    return std::exchange(packets_, {});
  }

 private:
  const Descriptor event_;
  std::mutex mutex_;
  std::vector<std::vector<u8>> packets_;
};

}  // namespace sojourn
