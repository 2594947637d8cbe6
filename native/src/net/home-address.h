// The Home Address option and the type 2 routing header (RFC 6275 §6.3, §6.4), which replace the
// addresses of a packet.
#pragma once
#include "net/packet.h"

namespace sojourn {

// Offsets in the packet; 0: it has none.
struct HomeAddressHeaders {
  u32 optionAt = 0;         // the option's type
  u32 optionHeaderAt = 0;   // the Destination Options header that contains it
  u32 optionNamedAt = 0;    // where that header is named
  bool optionAlone = false;  // the header contains nothing else but padding
  u32 routingAt = 0;
  u32 routingNamedAt = 0;
};

// False if the packet breaks a rule of RFC 6275 §6.3 or §6.4, or has another routing header with
// segments left. `packet` is a whole IPv6 packet.
bool findHomeAddressHeaders(const PacketView& packet, HomeAddressHeaders& found);

inline const u8* optionAddress(const PacketView& packet, const HomeAddressHeaders& headers) {
  return packet.data + headers.optionAt + 2;
}
inline const u8* routingAddress(const PacketView& packet, const HomeAddressHeaders& headers) {
  return packet.data + headers.routingAt + 8;
}

// Whether the checksum of a Mobility Header is right, which covers the home addresses of the packet
// in place of those in its IPv6 header (RFC 6275 §6.1.1). True for a packet without one, and for
// one whose headers do not say which addresses that are.
bool isMobilityChecksumRight(const PacketView& packet);

// Puts the home addresses into the IPv6 header and takes both headers out, so that upper layers see
// the packet as if it had come without them (RFC 6275 §9.3.1, §11.3.3). The packet becomes shorter
// at its front. Says by how many octets.
u32 exchangeHomeAddresses(PacketView& packet, const HomeAddressHeaders& headers);

}  // namespace sojourn
