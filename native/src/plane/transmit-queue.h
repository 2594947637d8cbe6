// Work for the first transmitting thread: packets that other threads put into tunnels. A wake-up
// without a packet makes it serve the held packets.
#pragma once
#include <sys/eventfd.h>
#include <unistd.h>

#include <mutex>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/system-error.h"

namespace sojourn {

class TransmitQueue {
 public:
  static constexpr size_t kMaximumPackets = 256;

  TransmitQueue() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_) throwSystemError("eventfd");
  }

  // Readable after a wake-up.
  int fd() const { return event_.get(); }
  void wake() {
    const u64 one = 1;
    // A write fails only if the counter is full, and then the thread is awake.
    if (::write(event_.get(), &one, sizeof one) < 0) return;
  }
  // `packet` is an inner packet, handled as if it came from the TUN. False if the queue is full.
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
