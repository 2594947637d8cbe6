#include "plane/worker.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <csignal>

#include "base/system-error.h"

namespace sojourn {
namespace {

constexpr int kEvents = 16;
// How often held packets are looked at while there are any.
constexpr int kHoldCheckMs = 10;

}  // namespace

Worker::Worker(Shared& shared, const Sockets& sockets, const Duties& duties)
    : shared_(shared),
      sockets_(sockets),
      duties_(duties),
      send_(sockets.sendSockets(duties.pair, shared.options)),
      reader_(shared.tables.domain().addReader()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) failed("epoll");
  const int tun = sockets.tun->queue(static_cast<int>(duties.pair));
  const unsigned slot = static_cast<unsigned>(duties.pair);
  watch(sockets.stop.get(), EPOLLIN, kStop);
  if (duties.transmit) {
    transmitter_ = std::make_unique<Transmitter>(shared, counters_, send_, tun, slot);
    watch(tun, EPOLLIN, kTun);
    if (duties_.first) watch(shared.errands.fd(), EPOLLIN, kErrand);
    // No EPOLLIN: their receive queues stay empty, only error queues (EPOLLERR is always told) are
    // of interest.
    for (int inner = 0; duties.first && inner < 2; inner++) {
      if (send_.raw[0][inner] >= 0) watch(send_.raw[0][inner], 0, kErrors4);
      if (send_.raw[1][inner] >= 0) watch(send_.raw[1][inner], 0, kErrors6);
    }
  }
  if (duties.receive) {
    receiver_ = std::make_unique<Receiver>(shared, counters_, tun, slot, send_);
    if (send_.udp >= 0) watch(send_.udp, EPOLLIN, kUdp);
    if (send_.sealed[0] >= 0) watch(send_.sealed[0], EPOLLIN, kSealed4);
    if (send_.sealed[1] >= 0) watch(send_.sealed[1], EPOLLIN, kSealed6);
    if (duties.first && sockets.tap) watch(sockets.tap.get(), EPOLLIN, kTap);
    for (const LinkTap& link : sockets.links) {
      if (duties.first) watch(link.tap.get(), EPOLLIN, kLink);
    }
  }
}

Worker::~Worker() {
  if (thread_.joinable()) thread_.join();
}

void Worker::watch(int fd, u32 events, Source source) {
  epoll_event event{};
  event.events = events;
  event.data.u32 = source;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) failed("epoll");
}

void Worker::start() {
  // Signals are the daemon's: no packet thread may be chosen to run a handler.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), duties_.transmit && duties_.receive ? "plane"
                                              : duties_.transmit                  ? "plane-out"
                                                                                  : "plane-in");
}

void Worker::run() {
  while (wait()) {
    turn(monotonicMs());
    reader_.quiescent(shared_.tables.domain());
  }
  reader_.offline();
}

// Sleeps until there is work, not at all while some source still had more. False: stop.
bool Worker::wait() {
  epoll_event events[kEvents];
  int timeout = 0;
  if (ready_ == 0) {
    reader_.offline();
    timeout = watchesHeld() ? kHoldCheckMs : -1;
  }
  const int count = ::epoll_wait(epoll_.get(), events, kEvents, timeout);
  if (timeout != 0) reader_.online(shared_.tables.domain());
  for (int index = 0; index < count; index++) ready_ |= events[index].data.u32;
  return (ready_ & kStop) == 0;
}

void Worker::turn(u64 nowMs) {
  if ((ready_ & kTun) != 0 && !transmitter_->turn(nowMs)) {
    ready_ &= ~u32{kTun};
    // Or epoll would tell of its error for ever.
    const int tun = sockets_.tun->queue(static_cast<int>(duties_.pair));
    if (transmitter_->deviceGone()) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, tun, nullptr);
  }
  if ((ready_ & kUdp) != 0 && !receiver_->turnUdp(send_.udp, nowMs)) ready_ &= ~u32{kUdp};
  if ((ready_ & kSealed4) != 0 && !receiver_->turnSealed(send_.sealed[0], 4, nowMs)) {
    ready_ &= ~u32{kSealed4};
  }
  if ((ready_ & kSealed6) != 0 && !receiver_->turnSealed(send_.sealed[1], 6, nowMs)) {
    ready_ &= ~u32{kSealed6};
  }
  if ((ready_ & kTap) != 0 && !receiver_->turnTap(sockets_.tap.get(), nowMs)) ready_ &= ~u32{kTap};
  if ((ready_ & kLink) != 0) {
    ready_ &= ~u32{kLink};
    for (const LinkTap& link : sockets_.links) {
      if (receiver_->turnLink(link.tap.get(), link.device)) ready_ |= kLink;
    }
  }
  if ((ready_ & (kErrors4 | kErrors6)) != 0) learnErrors();
  if ((ready_ & kErrand) != 0) {
    ready_ &= ~u32{kErrand};
    transmitter_->runErrands(nowMs);
  }
  if (watchesHeld()) lookAfterHeld(nowMs);
}

void Worker::learnErrors() {
  ready_ &= ~u32{kErrors4 | kErrors6};
  for (const auto& family : send_.raw) {
    for (const int fd : family) {
      if (fd < 0) continue;
      transmitter_->learnErrors(fd, Encapsulation::ipip);
      // The error itself also has to be taken, or epoll tells of it for ever.
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
}

bool Worker::watchesHeld() const {
  return duties_.first &&
         ((receiver_ && shared_.hold.waiting()) || (transmitter_ && shared_.outwardHold.waiting()));
}

void Worker::lookAfterHeld(u64 nowMs) {
  if (transmitter_ && shared_.outwardHold.waiting()) transmitter_->resendHeld(nowMs);
  if (!receiver_ || !shared_.hold.waiting()) return;
  const size_t expired = shared_.hold.expire(nowMs, shared_.options.holdMs);
  if (expired > 0) counters_.add(Counters::dropHoldExpired, expired);
}

}  // namespace sojourn
