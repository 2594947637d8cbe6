// Who a control packet is from, before JavaScript sees it.
#pragma once
#include "control/handshake-check.h"
#include "control/own-spis.h"
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

enum class Admission : u8 {
  admitted,
  answered,  // the caller sends the cookie reply, and does nothing else
  dropped,   // and counted
};

struct ControlGate {
  // The group of the senders that their keys tell apart (SourcePrefixes::ofSender).
  static constexpr u64 kKeyOwners = 0;
  // Those that name an SPI of this host, by the SPI. The plane itself is 1, and links begin at 3.
  static constexpr u64 kSpiHolders = 2;

  HandshakeCheck handshakes;
  OwnSpis ownSpis;
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

  // A datagram of the sealed port that is not data.
  Admission admit(const u8* datagram, size_t length, const PacketPath& path, u64 nowMs,
                  Sender& sender, Counters& counters, CookieReply& reply) {
    sender = {.acquaintance = Acquaintance::stranger,
              .prefixes = SourcePrefixes::of(path.family, path.remote, path.relayIndex)};
    if (datagramType(datagram) == DatagramType::initiation) {
      switch (handshakes.check(datagram, length, path.family, path.remote, path.remotePort,
                               nowMs, reply)) {
        case HandshakeVerdict::wrongMac:
          counters.add(Counters::dropHandshakeMac);
          return Admission::dropped;
        case HandshakeVerdict::tooMany:
          counters.add(Counters::dropHandshakeRate);
          return Admission::dropped;
        case HandshakeVerdict::cookie:
          counters.add(Counters::cookieReplies);
          return Admission::answered;
        case HandshakeVerdict::proved:
          sender.acquaintance = Acquaintance::known;
          break;
        case HandshakeVerdict::unproved:
          break;
      }
    } else {
      const u32 spi = datagramIndex(datagram);
      switch (ownSpis.find(spi)) {
        case OwnSpis::Answer::unknown:
          counters.add(Counters::dropUnknownSpi);
          return Admission::dropped;
        case OwnSpis::Answer::own:
          // Anybody can give a datagram any source: an SPI has one share, whatever the sources.
          sender = {.acquaintance = Acquaintance::known,
                    .prefixes = SourcePrefixes::ofSender(kSpiHolders, spi)};
          break;
        case OwnSpis::Answer::unnamed:
          break;
      }
    }
    return Admission::admitted;
  }
};

}  // namespace sojourn
