#include "plane/worker.h"

#include <sys/epoll.h>

#include <algorithm>

#include "base/system-error.h"
#include "base/thread.h"

namespace sojourn {
namespace {

constexpr int kEvents = 16;
// How often held packets are served while there are any.
constexpr int kHoldCheckMs = 10;
// The plane itself, among the senders of punts.
constexpr u64 kNoticeSender = 1;

const char* nameOf(const ThreadRole& role) {
  if (role.transmit && role.receive) return "plane";
  return role.transmit ? "plane-out" : "plane-in";
}

}  // namespace

Worker::Worker(Shared& shared, const Sockets& sockets, const ThreadRole& role)
    : shared_(shared),
      sockets_(sockets),
      role_(role),
      send_(sockets.sendSockets(role.pair, shared)),
      reader_(shared.tables.domain().addReader()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throwSystemError("epoll");
  const int tun = sockets.tun->queue(static_cast<int>(role.pair));
  const unsigned slot = static_cast<unsigned>(role.pair);
  watch(sockets.stop.get(), EPOLLIN, kStop);
  if (role.transmit) openTransmitter(tun, slot);
  if (role.receive) openReceiver(tun, slot);
}

Worker::~Worker() { join(); }

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::openTransmitter(int tun, unsigned slot) {
  transmitter_ = std::make_unique<Transmitter>(shared_, counters_, send_, tun, slot);
  watch(tun, EPOLLIN, kTun);
  if (!role_.first) return;
  watch(shared_.transmitQueue.fd(), EPOLLIN, kTransmitQueue);
  // Without EPOLLIN: the receive queues of raw sockets stay empty, and epoll always reports
  // EPOLLERR.
  for (int inner = 0; inner < 2; inner++) {
    const Descriptor& four = sockets_.rawErrors[0][inner];
    const Descriptor& six = sockets_.rawErrors[1][inner];
    if (four) watch(four.get(), 0, kErrors4);
    if (six) watch(six.get(), 0, kErrors6);
  }
  if (sockets_.espErrors) watch(sockets_.espErrors.get(), 0, kEspErrors);
}

void Worker::openReceiver(int tun, unsigned slot) {
  receiver_ = std::make_unique<Receiver>(shared_, counters_, tun, slot, send_);
  if (shared_.options.noticeUnknownEndpoints) {
    receiver_->noticeUnknownEndpoints(static_cast<unsigned>(shared_.options.pairs()));
  }
  if (send_.udp >= 0) watch(send_.udp, EPOLLIN, kUdp);
  if (send_.sealed[0] >= 0 && !send_.sharesSocket()) watch(send_.sealed[0], EPOLLIN, kSealed4);
  if (send_.sealed[1] >= 0) watch(send_.sealed[1], EPOLLIN, kSealed6);
  if (send_.esp >= 0) watch(send_.esp, EPOLLIN, kEsp);
  if (!role_.first) return;
  if (sockets_.tap) watch(sockets_.tap.get(), EPOLLIN, kTap);
  for (const LinkTap& link : sockets_.links) watch(link.tap.get(), EPOLLIN, kLink);
}

void Worker::watch(int fd, u32 events, Source source) {
  epoll_event event{};
  event.events = events;
  event.data.u32 = source;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throwSystemError("epoll");
}

void Worker::start() {
  thread_ = startThread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), nameOf(role_));
}

void Worker::run() {
  while (wait()) {
    serve(monotonicMs());
    reader_.quiescent(shared_.tables.domain());
  }
  reader_.offline();
}

// Sleeps until there is work; returns at once if a source still has some. False: the plane stops.
bool Worker::wait() {
  epoll_event events[kEvents];
  const bool sleeps = ready_ == 0;
  if (sleeps) reader_.offline();
  const int count = ::epoll_wait(epoll_.get(), events, kEvents, sleeps ? timeoutMs() : 0);
  if (sleeps) reader_.online(shared_.tables.domain());
  for (int index = 0; index < count; index++) ready_ |= events[index].data.u32;
  return !isReady(kStop);
}

int Worker::timeoutMs() const {
  const int held = hasHeld() ? kHoldCheckMs : -1;
  const int probes = isProber() ? shared_.prober.timeoutMs(monotonicMs()) : -1;
  if (held < 0 || probes < 0) return std::max(held, probes);
  return std::min(held, probes);
}

void Worker::serve(u64 nowMs) {
  shared_.sent.tick(nowMs);
  const u64 packets = TrafficNotice::packets(counters_);
  if (isReady(kTun)) serveTun(nowMs);
  serveSockets(nowMs);
  if (isReady(kLink)) serveLinks();
  if (isReady(kErrors4 | kErrors6 | kEspErrors)) serveErrors();
  if (isReady(kTransmitQueue)) {
    clear(kTransmitQueue);
    transmitter_->sendQueued(nowMs);
  }
  if (isProber() && shared_.prober.isReady(nowMs)) transmitter_->sendProbes(nowMs);
  if (hasHeld()) serveHeld(nowMs);
  if (TrafficNotice::packets(counters_) != packets) noticeTraffic();
}

void Worker::noticeTraffic() {
  if (!shared_.trafficNotice.take()) return;
  PacketPath path;
  path.kind = PathKind::traffic;
  if (!shared_.punts.push({std::move(path), {}}, Acquaintance::known,
                          SourcePrefixes::ofSender(kNoticeSender, 0))) shared_.trafficNotice.arm();
}

void Worker::serveTun(u64 nowMs) {
  if (transmitter_->poll(nowMs)) return;
  clear(kTun);
  // Otherwise epoll would keep reporting the error of a deleted device.
  const int tun = sockets_.tun->queue(static_cast<int>(role_.pair));
  if (transmitter_->deviceGone()) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, tun, nullptr);
}

void Worker::serveSockets(u64 nowMs) {
  if (isReady(kUdp) && !receiver_->pollUdp(send_.udp, nowMs)) clear(kUdp);
  if (isReady(kSealed4) && !receiver_->pollSealed(send_.sealed[0], 4, nowMs)) clear(kSealed4);
  if (isReady(kSealed6) && !receiver_->pollSealed(send_.sealed[1], 6, nowMs)) clear(kSealed6);
  if (isReady(kEsp) && !receiver_->pollEsp(send_.esp, nowMs)) clear(kEsp);
  if (isReady(kTap) && !receiver_->pollTap(sockets_.tap.get(), nowMs)) clear(kTap);
}

void Worker::serveLinks() {
  clear(kLink);
  for (const LinkTap& link : sockets_.links) {
    if (receiver_->pollLink(link.tap.get(), link.device)) ready_ |= kLink;
  }
}

void Worker::serveErrors() {
  clear(kErrors4 | kErrors6 | kEspErrors);
  const auto serve = [this](const Descriptor& socket, Protection protection) {
    if (!socket) return;
    transmitter_->learnErrors(socket.get(), protection);
    // The socket's error has to be read too, or epoll keeps reporting it.
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  };
  for (const auto& family : sockets_.rawErrors) {
    for (const Descriptor& socket : family) serve(socket, Protection::none);
  }
  serve(sockets_.espErrors, Protection::espGcm);
}

// Whether this thread has held packets to serve.
bool Worker::hasHeld() const {
  if (!role_.first) return false;
  return (receiver_ && shared_.inwardHold.waiting()) ||
         (transmitter_ && shared_.outwardHold.waiting());
}

void Worker::serveHeld(u64 nowMs) {
  if (transmitter_ && shared_.outwardHold.waiting()) transmitter_->sendHeld(nowMs);
  if (!receiver_ || !shared_.inwardHold.waiting()) return;
  const size_t expired = shared_.inwardHold.expire(nowMs, shared_.options.holdMs);
  if (expired > 0) counters_.add(Counters::dropHoldExpired, expired);
}

}  // namespace sojourn
