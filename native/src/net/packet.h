// Views of IP packets: the parts of RFC 791 and RFC 8200 that a tunnel needs. Every function
// accepts any bytes of any length.
#pragma once
#include "base/bytes.h"

namespace sojourn {

// One IP packet. The pointer leads into the packet's own bytes.
struct PacketView {
  u8* data;
  u32 length;        // by the header, without padding
  u16 headerLength;  // IPv4 with options; IPv6 always 40
  u8 family;         // 4 or 6
  u8 protocol;       // IPv6: the first next header
  u8 trafficClass;   // DSCP and ECN
  bool fragment;     // IPv4 only; for IPv6 see walkChain

  const u8* source() const { return data + (family == 6 ? 8 : 12); }
  const u8* destination() const { return data + (family == 6 ? 24 : 16); }
};

// False if the bytes are no IP packet, or shorter than the header says.
bool viewPacket(u8* data, size_t length, PacketView& view);

// Views the beginning of a packet, as an ICMP error quotes it. `length` is the number of available
// octets; the length in the packet's header is ignored.
bool viewQuoted(u8* data, size_t length, PacketView& view);

// The end of an IPv6 header chain: the first header that is no extension header.
struct ChainEnd {
  u8 protocol = kProtocolNone;
  u32 offset = 0;
  bool malformed = false;
  bool fragment = false;           // the packet is a fragment; the walk ends there
  bool homeAddressOption = false;  // RFC 6275 §6.3
  bool routing = false;            // any routing header with segments left
  bool typeTwoRouting = false;     // RFC 6275 §6.4, with any number of segments left
  // Where the last header of the walk is named by the one before it.
  u32 nextHeaderAt = 6;
  // The Fragment header of an atomic fragment (RFC 6946), and where it is named; 0: none.
  u32 atomicAt = 0;
  u32 atomicNamedAt = 0;
};

// `packet` is a whole IPv6 packet of `length` octets that viewPacket accepted.
ChainEnd walkChain(const u8* packet, size_t length);

// What a protocol may require of a packet thread. Most packets have none of these, which one load
// tells.
inline constexpr u8 kTraitExtension = 1;  // a Mobility Header or TCP may follow
inline constexpr u8 kTraitMobility = 2;
inline constexpr u8 kTraitIcmpv6 = 4;
inline constexpr u8 kTraitTcp = 8;
inline constexpr u8 kTraitEsp = 16;

struct ProtocolTraits {
  u8 of[256] = {};
  constexpr ProtocolTraits() {
    of[kProtocolHopByHop] = of[kProtocolRouting] = kTraitExtension;
    of[kProtocolFragment] = of[kProtocolDestination] = kTraitExtension;
    of[kProtocolMobility] = kTraitMobility;
    of[kProtocolIcmpv6] = kTraitIcmpv6;
    of[kProtocolTcp] = kTraitTcp;
    of[kProtocolEsp] = kTraitEsp;
  }
};
inline constexpr ProtocolTraits kProtocolTraits;

inline bool hasTrait(u8 protocol, unsigned traits) {
  return (kProtocolTraits.of[protocol] & traits) != 0;
}

// True for headers that a Mobility Header may follow.
inline bool isExtensionHeader(u8 protocol) { return hasTrait(protocol, kTraitExtension); }

// The default Tunnel Encapsulation Limit (RFC 2473 §4.1.1, §6.6): tunnels inside one another.
inline constexpr unsigned kNestingLimit = 4;

// The upper layer of a packet, behind extension headers: also a Mobility Header or a tunnel.
struct UpperLayer {
  u8 protocol;
  u32 offset;
};

// The protocol is kProtocolNone for a fragment or a malformed chain.
UpperLayer upperLayer(const PacketView& view);

// The number of tunnels that a packet is in already, at most kNestingLimit. IPv6 and IPv4 in IP
// count, and UDP of RFC 5555: `udpPort` at one end.
unsigned encapsulations(const PacketView& view, u16 udpPort);

// Replaces the ECN field and updates the IPv4 header checksum.
void setEcn(PacketView& view, u8 ecn);

}  // namespace sojourn
