// A packet thread: an epoll loop over the TUN queue, sockets and taps of its role.
#pragma once
#include <memory>
#include <thread>

#include "plane/plane.h"

namespace sojourn {

struct ThreadRole {
  bool transmit = false;
  bool receive = false;
  // The first transmitting and the first receiving thread of a plane also serve the objects that
  // exist once: the taps, the error queues of raw sockets, the transmit queue and the held packets.
  bool first = false;
  size_t pair = 0;
};

class Worker {
 public:
  Worker(Shared& shared, const Sockets& sockets, const ThreadRole& role);
  ~Worker();

  void start();
  // Waits for the thread, which ends when the plane stops.
  void join();
  const Counters& counters() const { return counters_; }

 private:
  // The event sources of epoll, and the bits of `ready_`.
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
    kTransmitQueue = 512,
    kEsp = 1024,
    kEspErrors = 2048
  };

  void openTransmitter(int tun, unsigned slot);
  void openReceiver(int tun, unsigned slot);
  void watch(int fd, u32 events, Source source);
  void run();
  bool wait();
  void serve(u64 nowMs);
  void noticeTraffic();
  void serveTun(u64 nowMs);
  void serveSockets(u64 nowMs);
  void serveLinks();
  void serveErrors();
  bool hasHeld() const;
  // Whether this thread sends probes of paths.
  bool isProber() const { return role_.first && transmitter_; }
  int timeoutMs() const;
  void serveHeld(u64 nowMs);
  bool isReady(u32 sources) const { return (ready_ & sources) != 0; }
  void clear(u32 sources) { ready_ &= ~sources; }

  Shared& shared_;
  const Sockets& sockets_;
  const ThreadRole role_;
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
