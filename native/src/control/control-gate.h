// What a control datagram of the sealed port is, before JavaScript sees it.
#pragma once
#include "control/handshake-check.h"
#include "control/spoken-to.h"
#include "net/sealed-datagram.h"
#include "plane/punt-queue.h"
#include "tables/counters.h"

namespace sojourn {

// Who a punt is from, as far as the plane knows.
struct Sender {
  Acquaintance acquaintance;
  SourcePrefixes prefixes;
};

struct ControlGate {
  HandshakeCheck handshakes;
  SpokenTo spokenTo;

  // False: the datagram is dropped and counted. `keyed`: it names a key of this host.
  bool admit(const u8* datagram, size_t length, const PacketPath& path, bool keyed, u64 nowMs,
             Sender& sender, Counters& counters) {
    bool known = keyed;
    if (datagramType(datagram) == DatagramType::initiation) {
      switch (handshakes.check(datagram, length, path.family, path.remote, path.remotePort,
                               nowMs)) {
        case HandshakeVerdict::wrongMac:
          counters.add(Counters::dropHandshakeMac);
          return false;
        case HandshakeVerdict::tooMany:
          counters.add(Counters::dropHandshakeRate);
          return false;
        case HandshakeVerdict::proved:
          known = true;
          break;
        case HandshakeVerdict::unproved:
          break;
      }
    } else {
      known = known || spokenTo.includes(path.family, path.remote, path.remotePort, nowMs);
    }
    // A sender that names a key is told apart from those at its address that do not: anybody can
    // give a datagram any source.
    const u64 part = keyed ? u64{datagramIndex(datagram)} << 32 : u64{path.relayIndex};
    sender = {.acquaintance = known ? Acquaintance::known : Acquaintance::stranger,
              .prefixes = SourcePrefixes::of(path.family, path.remote, part)};
    return true;
  }
};

}  // namespace sojourn
