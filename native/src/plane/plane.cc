#include "plane/plane.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <set>

#include "base/system-error.h"
#include "net/ecn.h"
#include "net/outer-header.h"
#include "plane/worker.h"
#include "sockets/raw-socket.h"

namespace sojourn {

namespace {

struct UdpWay {
  int fd;
  int family;
  const Address& local;
  const Address& remote;
  u16 remotePort;
  u8 trafficClass = 0;
};

// 0 or errno.
int sendDatagram(const UdpWay& way, iovec* parts, size_t count) {
  SocketAddress to;
  to.set(way.family, way.remote, way.remotePort);
  ControlBuffer control;
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = to.length;
  message.msg_iov = parts;
  message.msg_iovlen = count;
  writeControl(message, control, {&way.local, way.family, way.trafficClass, 0});
  if (::sendmsg(way.fd, &message, 0) >= 0) return 0;
  // The first error may be an ICMP answer to an earlier packet; the socket forgets it by telling.
  return ::sendmsg(way.fd, &message, 0) >= 0 ? 0 : errno;
}

std::mutex openMutex;
std::set<Plane*> openPlanes;

}  // namespace

SendSockets Sockets::sendSockets(size_t pair, const Options& options) const {
  SendSockets send;
  if (pair < udp.size()) send.udp = udp[pair].get();
  send.udpPort = options.udpPort;
  for (int six = 0; six < 2; six++) {
    if (pair < sealed[six].size()) send.sealed[six] = sealed[six][pair].get();
  }
  send.sealedPort = options.sealedPort;
  for (int outer = 0; outer < 2; outer++) {
    for (int inner = 0; inner < 2; inner++) send.raw[outer][inner] = raw[outer][inner].get();
  }
  send.complete4 = complete4.get();
  send.complete6 = complete6.get();
  return send;
}

Plane::Plane(const Options& options, std::function<void()> wake)
    : shared_(options, std::move(wake)) {
  openSockets(options.pairs());
  replayer_ =
      std::make_unique<Receiver>(shared_, counters_, sockets_.tun->queue(0), options.ownSlot());
  startWorkers();
  const std::lock_guard<std::mutex> guard(openMutex);
  // A process that exits without closing its planes: packet threads end before the libraries that
  // they use are taken down.
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
  workers_.clear();
}

void Plane::stopAll() {
  const std::lock_guard<std::mutex> guard(openMutex);
  for (Plane* plane : openPlanes) plane->stop();
}

void Plane::openSockets(size_t pairs) {
  const Options& options = shared_.options;
  sockets_.stop = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!sockets_.stop) failed("eventfd");
  // The port first: it is what a second daemon stumbles over.
  UdpFeatures udp;
  if (options.udpPort != 0) {
    sockets_.udp = openUdpSockets(4, options.udpPort, pairs, options.mark, udp);
  }
  if (options.sealedPort != 0) openSealed(pairs, udp);
  sockets_.tun = std::make_unique<Tun>(options.device, options.deviceMtu, static_cast<int>(pairs));
  openRaw();
  const TunFeatures& tun = sockets_.tun->features();
  shared_.features = {tun.tcp, tun.udp, udp.segmentation, udp.receiveOffload};
}

void Plane::openSealed(size_t pairs, UdpFeatures& features) {
  const Options& options = shared_.options;
  sockets_.sealed[0] = openUdpSockets(4, options.sealedPort, pairs, options.mark, features);
  try {
    sockets_.sealed[1] = openUdpSockets(6, options.sealedPort, pairs, options.mark, features);
  } catch (const SystemError& failure) {
    // A kernel without IPv6.
    if (failure.error != EAFNOSUPPORT) throw;
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
        sockets_.raw[outer][inner] = openRawSocket(outer == 1 ? 6 : 4, protocol, options.mark);
      }
    }
    sockets_.tap = openTap(sockets_.tun->index());
  }
  for (const std::string& device : options.linkDevices) {
    sockets_.links.push_back({device, openLinkTap(device)});
  }
}

void Plane::startWorkers() {
  const int threads = std::max(1, shared_.options.threads);
  if (threads == 1) {
    workers_.push_back(std::make_unique<Worker>(shared_, sockets_, Duties{true, true, true, 0}));
  }
  for (size_t pair = 0; threads > 1 && pair < static_cast<size_t>(threads / 2); pair++) {
    workers_.push_back(
        std::make_unique<Worker>(shared_, sockets_, Duties{true, false, pair == 0, pair}));
    workers_.push_back(
        std::make_unique<Worker>(shared_, sockets_, Duties{false, true, pair == 0, pair}));
  }
  for (const auto& worker : workers_) worker->start();
}

void Plane::tunnelSet(const TunnelSpec& spec) {
  shared_.tables.tunnelSet(spec);
  const Endpoint::Key from{spec.remote, spec.remotePort, spec.family, spec.encapsulation};
  // This thread is the tables' only writer, so what it reads is not freed meanwhile.
  if (shared_.hold.waiting()) replayer_->replay(from, monotonicMs());
  tunnelsChanged();
}

void Plane::routeSet(const RouteSpec& spec) {
  shared_.tables.routeSet({spec.prefix, spec.tunnel, spec.peer && !shared_.options.homeAgent});
  tunnelsChanged();
}

void Plane::associationsSet(const AssociationsSpec& spec) {
  shared_.tables.associationsSet(spec);
  tunnelsChanged();
}

// What was held for a tunnel may leave now.
void Plane::tunnelsChanged() {
  if (shared_.outwardHold.waiting()) shared_.errands.wake();
}

int Plane::inject(const ControlPath& path, const u8* packet, size_t length) {
  counters_.add(Counters::injects);
  switch (path.kind) {
    case PathKind::native:
      if (length < kIpv6Header || packet[0] >> 4 != 6) return EINVAL;
      return sendRawPacket(sockets_.complete6.get(), 6, packet, length);
    case PathKind::udp:
      return injectUdp(path, packet, length);
    case PathKind::tunnel:
      return injectTunnel(path.tunnel, packet, length);
    case PathKind::link:
      return injectLink(path, packet, length);
    case PathKind::datagram:
      return injectDatagram(path, packet, length);
    case PathKind::roaming:
      break;
  }
  return EINVAL;
}

int Plane::injectUdp(const ControlPath& path, const u8* packet, size_t length) {
  if (sockets_.udp.empty()) return EOPNOTSUPP;
  iovec part{const_cast<u8*>(packet), length};
  return sendDatagram({sockets_.udp[0].get(), 4, path.local, path.remote, path.remotePort}, &part,
                      1);
}

int Plane::injectDatagram(const ControlPath& path, const u8* packet, size_t length) {
  const std::vector<Descriptor>& sockets = sockets_.sealed[path.family == 6];
  if (sockets.empty()) return EOPNOTSUPP;
  u8 envelope[kEnvelope];
  store32(envelope, static_cast<u32>(DatagramType::envelope) << 28 | (path.relayIndex & kSpiMask));
  iovec parts[2] = {{envelope, path.relayIndex == 0 ? 0 : sizeof envelope},
                    {const_cast<u8*>(packet), length}};
  return sendDatagram({sockets[0].get(), path.family, path.local, path.remote, path.remotePort},
                      parts, 2);
}

int Plane::injectSealed(const Tunnel& tunnel, const PacketView& view) {
  const std::vector<Descriptor>& sockets = sockets_.sealed[tunnel.family == 6];
  if (sockets.empty()) return EOPNOTSUPP;
  SendAssociation* association = shared_.tables.sender(tunnel.id);
  if (association == nullptr) return ENOKEY;
  std::vector<u8> datagram(tunnel.envelope() + kSealedOverhead + view.length);
  if (!tunnel.mayTake(datagram.size())) {
    counters_.add(Counters::dropTunnelUnvalidated);
    return EDQUOT;
  }
  u8* sealed = datagram.data() + tunnel.envelope();
  std::memcpy(sealed + kSealedHeader, view.data, view.length);
  if (!association->seal(shared_.options.ownSlot(), sealed, view.length)) return EKEYEXPIRED;
  if (tunnel.relayIndex != 0) {
    store32(datagram.data(), static_cast<u32>(DatagramType::envelope) << 28 | tunnel.relayIndex);
  }
  iovec part{datagram.data(), datagram.size()};
  const u8 trafficClass = outerTrafficClass(view.trafficClass);
  return sendDatagram({sockets[0].get(), tunnel.family, tunnel.local, tunnel.remote(),
                       tunnel.remotePort(), trafficClass},
                      &part, 1);
}

int Plane::injectTunnel(u32 id, const u8* packet, size_t length) {
  const Tunnel* tunnel = shared_.tables.tunnel(id);
  if (tunnel == nullptr) return ENOENT;
  std::vector<u8> copy(packet, packet + length);
  PacketView view;
  if (!viewPacket(copy.data(), copy.size(), view)) return EINVAL;
  if (tunnel->encapsulation == Encapsulation::udp) {
    ControlPath path;
    path.local = tunnel->local;
    path.remote = tunnel->remote();
    path.remotePort = tunnel->remotePort();
    return injectUdp(path, packet, length);
  }
  if (tunnel->encapsulation == Encapsulation::sealed) return injectSealed(*tunnel, view);
  int error = 0;
  const size_t mtu = tunnel->mtu + tunnel->overhead();
  const OuterPayload payload = OuterPayload::of(view);
  for (const std::vector<u8>& one :
       encapsulateFragmented(*tunnel, payload, mtu, shared_.options.udpPort, 1)) {
    const int fd = tunnel->family == 6 ? sockets_.complete6.get() : sockets_.complete4.get();
    error = sendRawPacket(fd, tunnel->family, one.data(), one.size());
  }
  return error;
}

int Plane::injectLink(const ControlPath& path, const u8* packet, size_t length) {
  const auto link = std::find_if(sockets_.links.begin(), sockets_.links.end(),
                                 [&](const LinkTap& one) { return one.device == path.device; });
  // A device that is not listened on (a mobile node back on its home link) needs a socket only for
  // these few frames.
  Descriptor other;
  if (link == sockets_.links.end()) {
    other = Descriptor(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  }
  const int fd = other ? other.get() : link == sockets_.links.end() ? -1 : link->tap.get();
  if (fd < 0) return errno;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(path.arp ? ETH_P_ARP : ETH_P_IPV6);
  to.sll_ifindex = static_cast<int>(::if_nametoindex(path.device.c_str()));
  to.sll_halen = 6;
  std::memcpy(to.sll_addr, path.linkAddress, 6);
  const ssize_t sent = ::sendto(fd, packet, length, 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
  return sent >= 0 ? 0 : errno;
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
