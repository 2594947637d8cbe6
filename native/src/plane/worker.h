// One packet thread: an epoll loop over the TUN, the UDP socket and the taps that it was given.
#pragma once
#include <memory>
#include <thread>

#include "plane/plane.h"

namespace sojourn {

struct Duties {
  bool transmit = false;
  bool receive = false;
  // The taps and the error queues of raw sockets belong to the first of each kind.
  bool first = false;
  size_t pair = 0;
};

class Worker {
 public:
  Worker(Shared& shared, const Sockets& sockets, const Duties& duties);
  ~Worker();

  void start();
  const Counters& counters() const { return counters_; }

 private:
  // What epoll tells; also the bits of `ready_`.
  enum Source : u32 {
    kStop = 1,
    kTun = 2,
    kUdp = 4,
    kTap = 8,
    kErrors4 = 16,
    kErrors6 = 32,
    kLink = 64,
    kSealed4 = 128,
    kSealed6 = 256,
    kErrand = 512
  };

  void watch(int fd, u32 events, Source source);
  void run();
  bool wait();
  void turn(u64 nowMs);
  void learnErrors();
  // This thread looks after packets that wait for tunnels.
  bool watchesHeld() const;
  void lookAfterHeld(u64 nowMs);

  Shared& shared_;
  const Sockets& sockets_;
  const Duties duties_;
  Counters counters_;
  SendSockets send_;
  EpochDomain::Reader& reader_;
  std::unique_ptr<Transmitter> transmitter_;
  std::unique_ptr<Receiver> receiver_;
  Descriptor epoll_;
  u32 ready_ = 0;
  std::thread thread_;
};

}  // namespace sojourn
