// Who a control packet is from, before JavaScript sees it.
#pragma once
#include "control/handshake-check.h"
#include "control/registration-check.h"
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
  // The group of the senders that their keys tell apart (SourcePrefixes::ofSender).
  static constexpr u64 kKeyOwners = 0;

  HandshakeCheck handshakes;
  RegistrationCheck registrations;
  SpokenTo spokenTo;

  // A Mobility Header by its authenticator, which is worth more than its source address: a key's
  // owner waits behind no stranger, and no stranger takes a known peer's place by its address.
  void judgeRegistration(const PacketView& packet, Sender& sender) const {
    const RegistrationVerdict verdict = registrations.check(packet);
    if (verdict.kind == RegistrationVerdict::Kind::forged) {
      sender.acquaintance = Acquaintance::stranger;
    } else if (verdict.kind == RegistrationVerdict::Kind::authentic) {
      // Copies of it from any number of sources have one share.
      sender = {.acquaintance = Acquaintance::known,
                .prefixes = SourcePrefixes::ofSender(kKeyOwners, verdict.key)};
    }
  }

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
