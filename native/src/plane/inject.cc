// Control packets that JavaScript sends.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>

#include <algorithm>

#include "net/ecn.h"
#include "net/outer-header.h"
#include "plane/plane.h"
#include "plane/transmit/batch.h"
#include "sockets/raw-socket.h"

namespace sojourn {
namespace {

struct DatagramPath {
  int fd;
  int family;
  const Address& local;
  const Address& remote;
  u16 remotePort;
  Protection protection;
  u8 trafficClass = 0;
};

// Returns 0 or errno.
int sendDatagram(SentRecord& sent, const DatagramPath& path, iovec* parts, size_t count) {
  size_t octets = path.family == 6 ? kIpv6Header + kUdpHeader : kIpv4Header + kUdpHeader;
  for (size_t part = 0; part < count; part++) octets += parts[part].iov_len;
  sent.record({.remote = path.remote,
               .port = path.remotePort,
               .family = static_cast<u8>(path.family),
               .encapsulation = {Carrier::udp, path.protection}},
              parts, count, octets);
  SocketAddress to;
  to.set(path.family, path.remote, path.remotePort);
  ControlBuffer control;
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = to.length;
  message.msg_iov = parts;
  message.msg_iovlen = count;
  writeControl(message, control,
               {.source = &path.local, .family = path.family, .trafficClass = path.trafficClass});
  for (int attempt = 0; attempt <= kPendingErrors; attempt++) {
    if (::sendmsg(path.fd, &message, 0) >= 0) return 0;
    if (!isPendingError(errno)) break;
  }
  return errno;
}

}  // namespace

// A home agent answers anybody, a mobile node speaks to few. Datagrams of the sealed port are told
// apart by their SPI (OwnSpis).
void Plane::noteSpokenTo(const PacketPath& path, const u8* packet, size_t length) {
  if (shared_.options.lookup != TunnelLookup::byInnerSource) return;
  const u64 nowMs = monotonicMs();
  if (path.kind == PathKind::ipv6 && length >= kIpv6Header) {
    shared_.gate.spokenTo.note(6, Address::of(6, packet + 24), 0, nowMs);
  } else if (path.kind == PathKind::udp) {
    shared_.gate.spokenTo.note(path.family, path.remote, path.remotePort, nowMs);
  }
}

int Plane::inject(const PacketPath& path, const u8* packet, size_t length) {
  counters_.add(Counters::injects);
  noteSpokenTo(path, packet, length);
  switch (path.kind) {
    case PathKind::ipv6:
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
    case PathKind::traffic:
    case PathKind::unknown:
      break;
  }
  return EINVAL;
}

int Plane::injectUdp(const PacketPath& path, const u8* packet, size_t length) {
  if (sockets_.udp.empty()) return EOPNOTSUPP;
  iovec part{const_cast<u8*>(packet), length};
  return sendDatagram(shared_.sent,
                      {.fd = sockets_.udp[0].get(),
                       .family = 4,
                       .local = path.local,
                       .remote = path.remote,
                       .remotePort = path.remotePort,
                       .protection = Protection::none},
                      &part, 1);
}

int Plane::injectDatagram(const PacketPath& path, const u8* packet, size_t length) {
  const std::vector<Descriptor>& sockets = sockets_.sealedTo(path.family, shared_.options);
  if (sockets.empty()) return EOPNOTSUPP;
  u8 envelope[kRelayEnvelope];
  store32(envelope, firstWord(DatagramType::envelope, path.relayIndex & kSpiMask));
  iovec parts[2] = {{envelope, path.relayIndex == 0 ? 0 : sizeof envelope},
                    {const_cast<u8*>(packet), length}};
  return sendDatagram(shared_.sent,
                      {.fd = sockets[0].get(),
                       .family = path.family,
                       .local = path.local,
                       .remote = path.remote,
                       .remotePort = path.remotePort,
                       .protection = Protection::sealed},
                      parts, 2);
}

int Plane::injectTunnel(u32 id, const u8* packet, size_t length) {
  const Tunnel* tunnel = shared_.tables.tunnel(id);
  if (tunnel == nullptr) return ENOENT;
  if (isEsp(tunnel->protection)) return injectEsp(*tunnel, packet, length);
  std::vector<u8> copy(packet, packet + length);
  PacketView view;
  if (!viewPacket(copy.data(), copy.size(), view)) return EINVAL;
  if (tunnel->protection == Protection::sealed) return injectSealed(*tunnel, view);
  if (tunnel->path.carrier == Carrier::ip) return injectRaw(*tunnel, OuterPayload::of(view));
  PacketPath path;
  path.local = tunnel->path.local;
  path.remote = tunnel->path.remote;
  path.remotePort = tunnel->path.remotePort;
  return injectUdp(path, packet, length);
}

int Plane::injectSealed(const Tunnel& tunnel, const PacketView& view) {
  const OuterPath& path = tunnel.path;
  const std::vector<Descriptor>& sockets = sockets_.sealedTo(path.family, shared_.options);
  if (sockets.empty()) return EOPNOTSUPP;
  SendKey* key = shared_.tables.sendKey(tunnel.id);
  if (key == nullptr) return ENOKEY;
  std::vector<u8> datagram(tunnel.sealing() + view.length);
  if (!tunnel.maySend(datagram.size())) {
    counters_.add(Counters::dropTunnelUnvalidated);
    return EDQUOT;
  }
  u8* sealed = datagram.data() + path.envelope();
  if (!key->seal(shared_.options.ownSlot(), sealed, view.data, view.length)) return EKEYEXPIRED;
  if (path.relayIndex != 0) {
    store32(datagram.data(), firstWord(DatagramType::envelope, path.relayIndex));
  }
  iovec part{datagram.data(), datagram.size()};
  return sendDatagram(shared_.sent,
                      {.fd = sockets[0].get(),
                       .family = path.family,
                       .local = path.local,
                       .remote = path.remote,
                       .remotePort = path.remotePort,
                       .protection = Protection::sealed,
                       .trafficClass = outerTrafficClass(view.trafficClass)},
                      &part, 1);
}

// One octet is a NAT keepalive, an empty packet a dummy, which shows the far end this host's
// address and port.
int Plane::injectEsp(const Tunnel& tunnel, const u8* packet, size_t length) {
  const OuterPath& path = tunnel.path;
  const bool udp = path.carrier == Carrier::udp;
  if (udp && sockets_.esp.empty()) return EOPNOTSUPP;
  if (!udp && length == 1) return EINVAL;
  std::vector<u8> esp(packet, packet + length);
  u8 trafficClass = 0;
  if (length != 1) {
    EspSendKey* key = shared_.tables.espSendKey(tunnel.id);
    if (key == nullptr || key->protection() != tunnel.protection) return ENOKEY;
    PacketView view;
    const bool dummy = length == 0;
    if (!dummy && !viewPacket(esp.data(), length, view)) return EINVAL;
    esp.assign(protectedLength(tunnel.protection, length), 0);
    std::memcpy(esp.data() + key->espOffset(), packet, length);
    if (!dummy) trafficClass = view.trafficClass;
    const u8 nextHeader = dummy ? kEspDummy : protocolOf(view.family);
    if (key->seal(shared_.options.ownSlot(), esp.data(), length, nextHeader) == 0) {
      return EKEYEXPIRED;
    }
  }
  if (!tunnel.maySend(esp.size())) {
    counters_.add(Counters::dropTunnelUnvalidated);
    return EDQUOT;
  }
  if (!udp) {
    return injectRaw(tunnel, {.data = esp.data(),
                              .length = esp.size(),
                              .protocol = kProtocolEsp,
                              .trafficClass = trafficClass});
  }
  iovec part{esp.data(), esp.size()};
  return sendDatagram(shared_.sent,
                      {.fd = sockets_.esp[0].get(),
                       .family = path.family,
                       .local = path.local,
                       .remote = path.remote,
                       .remotePort = path.remotePort,
                       .protection = tunnel.protection,
                       .trafficClass = outerTrafficClass(trafficClass)},
                      &part, 1);
}

int Plane::injectRaw(const Tunnel& tunnel, const OuterPayload& payload) {
  const int family = tunnel.path.family;
  const int fd = family == 6 ? sockets_.complete6.get() : sockets_.complete4.get();
  const OuterFragmentation fragmentation{.mtu = tunnel.outerLength(tunnel.mtu),
                                         .sourcePort = shared_.udpPort,
                                         .identification = 1};
  int error = 0;
  for (const std::vector<u8>& one :
       encapsulateFragmented(tunnel.path, payload, fragmentation)) {
    error = sendRawPacket(fd, family, one.data(), one.size());
  }
  return error;
}

int Plane::injectLink(const PacketPath& path, const u8* packet, size_t length) {
  const auto link = std::find_if(sockets_.links.begin(), sockets_.links.end(),
                                 [&](const LinkTap& one) { return one.device == path.device; });
  // A mobile node that is back on its home link sends a few frames on a device without a tap.
  const bool tapped = link != sockets_.links.end();
  Descriptor other;
  if (!tapped) other = Descriptor(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int fd = tapped ? link->tap.get() : other.get();
  if (fd < 0) return errno;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(path.arp ? ETH_P_ARP : ETH_P_IPV6);
  to.sll_ifindex = static_cast<int>(::if_nametoindex(path.device.c_str()));
  to.sll_halen = 6;
  std::memcpy(to.sll_addr, path.linkAddress, 6);
  const auto* address = reinterpret_cast<const sockaddr*>(&to);
  return ::sendto(fd, packet, length, 0, address, sizeof to) >= 0 ? 0 : errno;
}

}  // namespace sojourn
