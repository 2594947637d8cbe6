// The receiver's sealed path: datagrams of the sealed port are opened, or punted when they are
// TypeScript's.
#include "plane/receive/receiver.h"

namespace sojourn {

bool Receiver::turnSealed(int fd, int family, u64 nowMs) {
  nowMs_ = nowMs;
  return turnDatagrams(fd, family, Encapsulation::sealed);
}

void Receiver::sealed(u8* data, size_t length, const Arrival& arrival) {
  u32 relayIndex = 0;
  if (length >= kEnvelope && data[0] >> 4 == static_cast<u8>(DatagramType::envelope)) {
    relayIndex = load32(data) & kSpiMask;
    data += kEnvelope;
    length -= kEnvelope;
  }
  if (length < sizeof(u32)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  switch (static_cast<DatagramType>(data[0] >> 4)) {
    case DatagramType::data:
      open(data, length, arrival, relayIndex);
      break;
    case DatagramType::control:
    case DatagramType::initiation:
    case DatagramType::response:
    case DatagramType::cookie:
      punt(datagramPath(arrival, relayIndex), data, length);
      break;
    default:
      counters_.add(Counters::dropDatagramType);
  }
}

void Receiver::open(u8* datagram, size_t length, Arrival arrival, u32 relayIndex) {
  ReceiveAssociation* association = shared_.tables.receiver(load32(datagram) & kSpiMask);
  if (association == nullptr) {
    counters_.add(Counters::dropUnknownSpi);
    return;
  }
  switch (association->open(slot_, datagram, length)) {
    case Opened::malformed:
      counters_.add(Counters::dropMalformed);
      return;
    case Opened::replayed:
      counters_.add(Counters::dropReplay);
      return;
    case Opened::forged:
      counters_.add(Counters::dropForged);
      return;
    case Opened::packet:
      break;
  }
  arrival.sealed = shared_.tables.tunnel(association->tunnel);
  if (arrival.sealed == nullptr || arrival.sealed->encapsulation != Encapsulation::sealed) {
    counters_.add(Counters::dropPermit);
    return;
  }
  if (arrival.sealed->endpoint->identity == arrival.from) {
    arrival.sealed->came(length);
  } else {
    noticeRoaming(*association, arrival, relayIndex);
  }
  inner(datagram + kSealedHeader, length - kSealedOverhead, arrival);
}

// The plane changes nothing: a packet that somebody on the path let come from elsewhere would take
// the tunnel there.
void Receiver::noticeRoaming(const ReceiveAssociation& association, const Arrival& arrival,
                             u32 relayIndex) {
  const u64 place = mixKey(Endpoint::hash(arrival.from), relayIndex);
  if (!association.notices->allow(place, nowMs_)) return;
  ControlPath path = datagramPath(arrival, relayIndex);
  path.kind = PathKind::roaming;
  path.tunnel = association.tunnel;
  const bool taken = shared_.punts.push({std::move(path), {}});
  counters_.add(taken ? Counters::roamingNotices : Counters::dropPuntFull);
}

ControlPath Receiver::datagramPath(const Arrival& arrival, u32 relayIndex) const {
  ControlPath path;
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
