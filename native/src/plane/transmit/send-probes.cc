// Probes of paths and their answers. They leave whole: a fragmented probe says nothing.
#include <cerrno>

#include "plane/transmit/transmitter.h"
#include "sockets/raw-socket.h"

namespace sojourn {

void Transmitter::sendProbes(u64 nowMs) {
  nowMs_ = nowMs;
  PathProber::Found found;
  for (const PathProber::Outgoing& outgoing :
       shared_.prober.take(shared_.tables, nowMs, found)) {
    sendProbe(outgoing);
  }
  if (found.lowered > 0) counters_.add(Counters::pathMtuProbed, found.lowered);
  if (found.refuted > 0) counters_.add(Counters::pathErrorsRefuted, found.refuted);
}

void Transmitter::sendProbe(const PathProber::Outgoing& outgoing) {
  const Tunnel* tunnel =
      outgoing.tunnel == 0 ? nullptr : shared_.tables.tunnel(outgoing.tunnel);
  if (outgoing.tunnel != 0 && tunnel == nullptr) return;
  const Protection protection = tunnel == nullptr ? Protection::none : tunnel->protection;
  const int error = isEsp(protection) ? sendProtectedProbe(espSealer_, *tunnel, outgoing.packet)
                    : protection == Protection::sealed
                        ? sendProtectedProbe(sealer_, *tunnel, outgoing.packet)
                        : sendWhole(outgoing.path, Protection::none, outgoing.packet);
  // This host's own link is too small.
  if (error == EMSGSIZE && tunnel != nullptr) pathErrors_.refused(*tunnel);
  if (error != 0) return;
  counters_.add(outgoing.answer ? Counters::pathProbesAnswered : Counters::pathProbesSent);
}

template <class Sealing>
int Transmitter::sendProtectedProbe(Sealing& sealer, const Tunnel& tunnel,
                                    const std::vector<u8>& packet) {
  flush();
  PacketView inner;
  OutgoingPacket sealed;
  if (!viewPacket(const_cast<u8*>(packet.data()), packet.size(), inner)) return EINVAL;
  if (!sealer.seal(tunnel, inner, sealed)) return EAGAIN;
  const auto* data = static_cast<const u8*>(sealed.parts[0].iov_base);
  const int error = sendWhole(tunnel.path, tunnel.protection,
                              std::vector<u8>(data, data + sealed.parts[0].iov_len));
  sealer.reset();
  return error;
}

// `packet`: an IPv6 packet or its protected form. Returns 0 or errno.
int Transmitter::sendWhole(const OuterPath& path, Protection protection,
                           const std::vector<u8>& packet) {
  iovec part{const_cast<u8*>(packet.data()), packet.size()};
  shared_.sent.record(Endpoint::Key::of(path, protection), &part, 1,
                      path.headers() + packet.size(), SentRecord::Content::probe);
  if (path.carrier == Carrier::ip) {
    std::vector<u8> outer(kMaximumOuterHeader);
    const u8 protocol = isEsp(protection) ? kProtocolEsp : kProtocolIpv6;
    outer.resize(writeOuterHeader(path, protocol, 0, packet.size(), outer.data()));
    outer.insert(outer.end(), packet.begin(), packet.end());
    return sendRawPacket(sockets_.complete(path.family), path.family, outer.data(), outer.size());
  }
  SocketAddress to;
  to.set(path.family, path.remote, path.remotePort);
  ControlBuffer control;
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = to.length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  writeControl(message, control, {.source = &path.local, .family = path.family});
  const int fd = sockets_.udpSocketOf(path, protection);
  for (int attempt = 0; attempt <= kPendingErrors; attempt++) {
    if (::sendmsg(fd, &message, MSG_DONTWAIT) >= 0) return 0;
    if (!isPendingError(errno)) break;
  }
  return errno;
}

}  // namespace sojourn
