// The receiver's sealed path: it opens data datagrams of the sealed port and punts the others.
#include "plane/receive/receiver.h"

namespace sojourn {

bool Receiver::pollSealed(int fd, int family, u64 nowMs) {
  nowMs_ = nowMs;
  return pollDatagrams(fd, family, Protection::sealed);
}

void Receiver::receiveSealed(u8* data, size_t length, const Arrival& arrival) {
  u32 relayIndex = 0;
  if (length >= kRelayEnvelope && datagramType(data) == DatagramType::envelope) {
    relayIndex = datagramIndex(data);
    data += kRelayEnvelope;
    length -= kRelayEnvelope;
  }
  if (length < sizeof(u32)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  switch (datagramType(data)) {
    case DatagramType::data:
      openSealed(data, length, arrival, relayIndex);
      break;
    case DatagramType::mobility:
    case DatagramType::control:
    case DatagramType::initiation:
    case DatagramType::response:
    case DatagramType::cookie:
      puntDatagram(data, length, arrival, relayIndex);
      break;
    default:
      counters_.add(Counters::dropDatagramType);
  }
}

void Receiver::puntDatagram(u8* datagram, size_t length, const Arrival& arrival, u32 relayIndex) {
  PacketPath path = datagramPath(arrival, relayIndex);
  Sender sender;
  CookieReply reply;
  switch (shared_.gate.admit(datagram, length, path, nowMs_, sender, counters_, reply)) {
    case Admission::admitted:
      punt(std::move(path), sender, datagram, length);
      break;
    case Admission::answered:
      sendCookie(path, reply);
      break;
    case Admission::dropped:
      break;
  }
}

// To where the initiation came from, through the socket that received it.
void Receiver::sendCookie(const PacketPath& path, CookieReply& reply) {
  u8 envelope[kRelayEnvelope];
  store32(envelope, firstWord(DatagramType::envelope, path.relayIndex & kSpiMask));
  iovec parts[2] = {{envelope, path.relayIndex == 0 ? 0 : sizeof envelope},
                    {reply.octets, sizeof reply.octets}};
  SocketAddress to;
  to.set(path.family, path.remote, path.remotePort);
  ControlBuffer control;
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = to.length;
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  writeControl(message, control, {.source = &path.local, .family = path.family});
  if (::sendmsg(polled_, &message, MSG_DONTWAIT) < 0) counters_.add(Counters::dropSendError);
}

void Receiver::openSealed(u8* datagram, size_t length, Arrival arrival, u32 relayIndex) {
  ReceiveKey* key = shared_.tables.receiveKey(datagramIndex(datagram));
  if (key == nullptr) {
    counters_.add(Counters::dropUnknownSpi);
    return;
  }
  const OpenResult opened = key->open(slot_, datagram, length);
  if (opened != OpenResult::packet) {
    countUnopened(opened);
    return;
  }
  const Tunnel* tunnel = shared_.tables.tunnel(key->tunnel);
  if (tunnel == nullptr || tunnel->protection != Protection::sealed) {
    counters_.add(Counters::dropPermit);
    return;
  }
  if (tunnel->endpoint->identity == arrival.from) {
    tunnel->received(length);
  } else {
    noticeRoaming(*key->notices, key->tunnel, arrival, relayIndex);
  }
  arrival.authenticated = tunnel;
  receiveInner(datagram + kSealedHeader, length - kSealedOverhead, arrival);
}

void Receiver::countUnopened(OpenResult result) {
  switch (result) {
    case OpenResult::packet:
      break;
    case OpenResult::malformed:
      counters_.add(Counters::dropMalformed);
      break;
    case OpenResult::replayed:
      counters_.add(Counters::dropReplay);
      break;
    case OpenResult::forged:
      counters_.add(Counters::dropForged);
      break;
  }
}

// Reports that a genuine packet came from another address than the tunnel's far end. The plane
// itself does not move the tunnel: an attacker on the path can give a packet any source address.
void Receiver::noticeRoaming(RoamingNoticeLimit& limit, u32 tunnel, const Arrival& arrival,
                             u32 relayIndex) {
  const u64 peer = mixKey(Endpoint::hash(arrival.from), relayIndex);
  if (!limit.allow(peer, nowMs_)) return;
  PacketPath path = datagramPath(arrival, relayIndex);
  path.kind = PathKind::roaming;
  path.tunnel = tunnel;
  const bool taken =
      shared_.punts.push({std::move(path), {}}, Acquaintance::known,
                         SourcePrefixes::of(arrival.from.family, arrival.from.remote, tunnel));
  counters_.add(taken ? Counters::roamingNotices : Counters::dropPuntFull);
}

PacketPath Receiver::datagramPath(const Arrival& arrival, u32 relayIndex) const {
  PacketPath path;
  path.kind = PathKind::datagram;
  path.family = arrival.from.family;
  path.local = arrival.local;
  path.localPort = shared_.options.sealedPort;
  path.remote = arrival.from.remote;
  path.remotePort = arrival.from.port;
  path.relayIndex = relayIndex;
  return path;
}

}  // namespace sojourn
