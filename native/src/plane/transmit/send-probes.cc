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
  const bool sealed = tunnel != nullptr && tunnel->protection == Protection::sealed;
  const int error = sealed ? sendSealedProbe(*tunnel, outgoing.packet)
                           : sendWhole(outgoing.path, Protection::none, outgoing.packet);
  // This host's own link is too small.
  if (error == EMSGSIZE && tunnel != nullptr) pathErrors_.refused(*tunnel);
  if (error != 0) return;
  counters_.add(outgoing.answer ? Counters::pathProbesAnswered : Counters::pathProbesSent);
}

int Transmitter::sendSealedProbe(const Tunnel& tunnel, const std::vector<u8>& packet) {
  flush();
  PacketView inner;
  OutgoingPacket sealed;
  if (!viewPacket(const_cast<u8*>(packet.data()), packet.size(), inner)) return EINVAL;
  if (!sealer_.seal(tunnel, inner, sealed)) return EAGAIN;
  const auto* data = static_cast<const u8*>(sealed.parts[0].iov_base);
  const int error = sendWhole(tunnel.path, Protection::sealed,
                              std::vector<u8>(data, data + sealed.parts[0].iov_len));
  sealer_.reset();
  return error;
}

// `packet`: the octets behind the outer IP header, or behind UDP. Returns 0 or errno.
int Transmitter::sendWhole(const OuterPath& path, Protection protection,
                           const std::vector<u8>& packet) {
  iovec part{const_cast<u8*>(packet.data()), packet.size()};
  shared_.sent.record(Endpoint::Key::of(path, protection), &part, 1,
                      path.headers() + packet.size(), SentRecord::Content::probe);
  if (path.carrier == Carrier::ip) {
    std::vector<u8> outer(kMaximumOuterHeader);
    outer.resize(writeOuterHeader(path, 6, 0, packet.size(), outer.data()));
    outer.insert(outer.end(), packet.begin(), packet.end());
    return sendRawPacket(sockets_.complete(path.family), path.family, outer.data(), outer.size());
  }
  const bool sealed = protection == Protection::sealed;
  SocketAddress to;
  to.set(path.family, path.remote, path.remotePort);
  ControlBuffer control;
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = to.length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  writeControl(message, control, {.source = &path.local, .family = path.family});
  const int fd = sealed ? sockets_.sealed[path.family == 6] : sockets_.udp;
  for (int attempt = 0; attempt <= kPendingErrors; attempt++) {
    if (::sendmsg(fd, &message, MSG_DONTWAIT) >= 0) return 0;
    if (!isPendingError(errno)) break;
  }
  return errno;
}

}  // namespace sojourn
