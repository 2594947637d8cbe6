#include "plane/plane.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <set>

#include "base/system-error.h"
#include "plane/worker.h"
#include "sockets/raw-socket.h"

namespace sojourn {
namespace {

// The planes that stopAll() has to stop.
std::mutex openMutex;
std::set<Plane*> openPlanes;

}  // namespace

SendSockets Sockets::sendSockets(size_t pair, const Shared& shared) const {
  SendSockets send;
  if (pair < udp.size()) send.udp = udp[pair].get();
  send.udpPort = shared.udpPort;
  for (int six = 0; six < 2; six++) {
    if (pair < sealed[six].size()) send.sealed[six] = sealed[six][pair].get();
    send.sealedPort[six] = shared.options.sealedPort;
  }
  if (pair < esp.size()) send.esp = esp[pair].get();
  send.espPort = shared.espPort;
  if (shared.options.sharesPort()) {
    send.sealed[0] = send.udp;
    send.sealedPort[0] = shared.udpPort;
  }
  for (int outer = 0; outer < 2; outer++) {
    for (int inner = 0; inner < 2; inner++) send.raw[outer][inner] = raw[outer][inner].get();
  }
  send.complete4 = complete4.get();
  send.complete6 = complete6.get();
  return send;
}

Plane::Plane(const Options& options, std::function<void()> wake)
    : shared_(options, std::move(wake)) {
  if (options.sealedPort != 0) prepareSealing();
  openSockets(options.pairs());
  openDevice();
  startWorkers();
  const std::lock_guard<std::mutex> guard(openMutex);
  // If the process exits without closing its planes, packet threads have to end before the
  // libraries that they use are unloaded.
  static const int registered = std::atexit(stopAll);
  (void)registered;
  openPlanes.insert(this);
}

Plane::~Plane() {
  {
    const std::lock_guard<std::mutex> guard(openMutex);
    openPlanes.erase(this);
  }
  stop();
}

void Plane::stop() {
  const u64 one = 1;
  if (sockets_.stop && ::write(sockets_.stop.get(), &one, sizeof one) < 0) return;
  for (const auto& worker : workers_) worker->join();
  for (const auto& worker : workers_) counters_.addAll(worker->counters());
  workers_.clear();
}

void Plane::stopAll() {
  const std::lock_guard<std::mutex> guard(openMutex);
  for (Plane* plane : openPlanes) plane->stop();
}

void Plane::openSockets(size_t pairs) {
  const Options& options = shared_.options;
  sockets_.stop = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!sockets_.stop) throwSystemError("eventfd");
  // Binds the port first, so that a second daemon on this host fails here with a clear error.
  UdpFeatures udp;
  if (options.udpPort != 0) {
    sockets_.udp = openUdpSockets(4, options.udpPort, pairs, options.mark, udp);
  }
  if (options.sealedPort != 0) openSealed(pairs, udp);
  if (options.espPort != 0) openEsp(pairs, udp);
  shared_.features.udpSegmentation = udp.segmentation;
  shared_.features.udpReceiveOffload = udp.receiveOffload;
}

void Plane::openDevice() {
  const Options& options = shared_.options;
  const int queues = static_cast<int>(options.pairs());
  sockets_.tun = std::make_unique<Tun>(options.device, options.deviceMtu, queues);
  shared_.features.tunSegmentation = sockets_.tun->features().tcp;
  shared_.features.tunUdpSegmentation = sockets_.tun->features().udp;
  openRaw();
  heldReceiver_ =
      std::make_unique<Receiver>(shared_, counters_, sockets_.tun->queue(0), options.ownSlot());
}

// Stops the packet threads so that `startWorkers` can start others.
void Plane::pause() {
  stop();
  u64 stopped = 0;
  if (::read(sockets_.stop.get(), &stopped, sizeof stopped) < 0 && errno != EAGAIN) {
    throwSystemError("eventfd");
  }
  shared_.tables.domain().removeReaders();
}

void Plane::renewUdpPort() {
  const Options& options = shared_.options;
  if (options.udpPort == 0) return;
  UdpFeatures features;
  const u16 port = freeUdpPort(4);
  std::vector<Descriptor> renewed =
      openUdpSockets(4, port, options.pairs(), options.mark, features);
  pause();
  sockets_.udp = std::move(renewed);
  shared_.udpPort = port;
  startWorkers();
}

void Plane::reopenDevice() {
  pause();
  // The kernel removes the device with its last descriptor, wherever it is by now.
  heldReceiver_.reset();
  sockets_.tun.reset();
  sockets_.links.clear();
  openDevice();
  startWorkers();
}

void Plane::openSealed(size_t pairs, UdpFeatures& features) {
  const Options& options = shared_.options;
  if (!options.sharesPort()) {
    sockets_.sealed[0] = openUdpSockets(4, options.sealedPort, pairs, options.mark, features);
  }
  try {
    sockets_.sealed[1] = openUdpSockets(6, options.sealedPort, pairs, options.mark, features);
  } catch (const SystemError& failure) {
    // The kernel has no IPv6.
    if (failure.error != EAFNOSUPPORT) throw;
  }
}

// Daemons of IKE have the port too. What a mobile node uses does not matter to the home agent.
void Plane::openEsp(size_t pairs, UdpFeatures& features) {
  const Options& options = shared_.options;
  try {
    sockets_.esp = openUdpSockets(4, options.espPort, pairs, options.mark, features);
  } catch (const SystemError& failure) {
    const bool mayDiffer = options.lookup == TunnelLookup::byInnerSource;
    if (failure.error != EADDRINUSE || !mayDiffer) throw;
    shared_.espPort = freeUdpPort(4);
    sockets_.esp = openUdpSockets(4, shared_.espPort, pairs, options.mark, features);
  }
}

void Plane::openRaw() {
  const Options& options = shared_.options;
  sockets_.complete4 = openRawSocket(4, IPPROTO_RAW, options.mark);
  sockets_.complete6 = openRawSocket(6, IPPROTO_RAW, options.mark);
  if (options.raw) {
    for (int outer = 0; outer < 2; outer++) {
      for (int inner = 0; inner < 2; inner++) {
        const int protocol = inner == 1 ? kProtocolIpv6 : kProtocolIpv4;
        const int family = outer == 1 ? 6 : 4;
        sockets_.raw[outer][inner] = openRawSocket(family, protocol, options.mark);
        sockets_.rawErrors[outer][inner] = openErrorSocket(family, protocol);
      }
    }
    sockets_.espErrors = openErrorSocket(6, kProtocolEsp);
    sockets_.tap = openTap(sockets_.tun->index(), tapChoice(shared_.tables.anyEsp()));
  }
  for (const std::string& device : options.linkDevices) {
    sockets_.links.push_back({device, openLinkTap(device)});
  }
  if (options.discovery) {
    sockets_.links.push_back({"", openDiscoveryTap(sockets_.tun->index())});
  }
}

void Plane::startWorkers() {
  const auto add = [this](const ThreadRole& role) {
    workers_.push_back(std::make_unique<Worker>(shared_, sockets_, role));
  };
  const size_t threads = static_cast<size_t>(std::max(1, shared_.options.threads));
  if (threads == 1) add({.transmit = true, .receive = true, .first = true});
  for (size_t pair = 0; pair < threads / 2; pair++) {
    add({.transmit = true, .first = pair == 0, .pair = pair});
    add({.receive = true, .first = pair == 0, .pair = pair});
  }
  for (const auto& worker : workers_) worker->start();
}

void Plane::tunnelSet(const TunnelSpec& spec) {
  shared_.tables.tunnelSet(spec);
  // This thread is the only writer of the tables, so no object that it reads is freed meanwhile.
  if (heldReceiver_ && shared_.inwardHold.waiting()) {
    heldReceiver_->releaseHeld(Endpoint::Key::of(spec.path, spec.protection), monotonicMs());
  }
  wakeForHeld();
}

void Plane::routeSet(const RouteSpec& spec) {
  shared_.tables.routeSet(withoutPeer(spec));
  wakeForHeld();
}

void Plane::sealingKeysSet(const SealingKeysSpec& spec) {
  shared_.tables.sealingKeysSet(spec);
  wakeForHeld();
}

void Plane::espSpiSet(u32 spi) {
  takeEspFrames();
  shared_.tables.espSpiSet(spi);
}

void Plane::espKeysSet(const EspKeysSpec& spec) {
  takeEspFrames();
  shared_.tables.espKeysSet(spec);
  wakeForHeld();
}

// The tap takes ESP packets from the first key on.
void Plane::takeEspFrames() {
  const bool first = !shared_.tables.anyEsp();
  if (first && sockets_.tap) filterTap(sockets_.tap.get(), sockets_.tun->index(), tapChoice(true));
}

TapChoice Plane::tapChoice(bool esp) const {
  return {.esp = esp, .errors = shared_.options.optimized};
}

// A lookup by inner destination has one kind of prefix: all are those of other nodes.
RouteSpec Plane::withoutPeer(const RouteSpec& spec) const {
  const bool peers = shared_.options.lookup == TunnelLookup::byInnerSource;
  return {.prefix = spec.prefix, .tunnel = spec.tunnel, .peer = spec.peer && peers};
}

// Packets that are held for a tunnel may be sendable now.
void Plane::wakeForHeld() {
  if (shared_.outwardHold.waiting()) shared_.transmitQueue.wake();
}

void Plane::counters(u64 (&sums)[Counters::kCount]) const {
  for (u32 name = 0; name < Counters::kCount; name++) {
    sums[name] = counters_.values[name].load(std::memory_order_relaxed);
    for (const auto& worker : workers_) {
      sums[name] += worker->counters().values[name].load(std::memory_order_relaxed);
    }
  }
}

}  // namespace sojourn
