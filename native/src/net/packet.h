// Views of IP packets: what of RFC 791 and RFC 8200 a tunnel has to know. Every function is total:
// any bytes, any length.
#pragma once
#include "base/bytes.h"

namespace sojourn {

// One IP packet; pointers lead into the packet's own bytes.
struct PacketView {
  u8* data;
  u32 length;        // as the header says; padding behind it is cut off
  u16 headerLength;  // IPv4 with options; IPv6 always 40
  u8 family;         // 4 or 6
  u8 protocol;       // IPv6: the first next header
  u8 trafficClass;   // DSCP and ECN
  bool fragment;     // IPv4 only; for IPv6 see walkChain

  const u8* source() const { return data + (family == 6 ? 8 : 12); }
  const u8* destination() const { return data + (family == 6 ? 24 : 16); }
};

// False when the bytes are no IP packet or shorter than their header says.
bool viewPacket(u8* data, size_t length, PacketView& view);

// A packet of which an ICMP error quotes the beginning: `length` is what is there, the lengths in
// its header are not looked at.
bool viewQuoted(u8* data, size_t length, PacketView& view);

// Result of following IPv6 extension headers to the first header that is none.
struct ChainEnd {
  u8 protocol = kProtocolNone;
  u32 offset = 0;
  bool malformed = false;
  bool fragment =
      false;  // a fragment header that does not carry the whole packet; the walk ends there
  bool homeAddressOption = false;  // RFC 6275 §6.3
  bool routing = false;            // any routing header with segments left
  bool typeTwoRouting = false;     // RFC 6275 §6.4
};

// `packet` is a whole IPv6 packet of `length` octets as viewPacket accepted it.
ChainEnd walkChain(const u8* packet, size_t length);

// True for the protocols behind which a Mobility Header may still come.
inline bool isExtensionHeader(u8 protocol) {
  return protocol == kProtocolHopByHop || protocol == kProtocolRouting ||
         protocol == kProtocolFragment || protocol == kProtocolDestination;
}

// How many tunnels may be inside one another: the default Tunnel Encapsulation Limit of RFC 2473
// §4.1.1 and §6.6.
inline constexpr unsigned kNestingLimit = 4;

// The upper layer of a packet: a Mobility Header's or tunnel's protocol even behind extension
// headers.
struct UpperLayer {
  u8 protocol;
  u32 offset;
};

// What `view` carries; kProtocolNone for a fragment or a malformed chain.
UpperLayer upperLayer(const PacketView& view);

// How many tunnels a packet is in already, at most kNestingLimit: IPv6 or IPv4 in it, or UDP of RFC
// 5555 with `udpPort` at one end.
unsigned encapsulations(const PacketView& view, u16 udpPort);

// Replaces the ECN field, keeping an IPv4 header checksum right.
void setEcn(PacketView& view, u8 ecn);

}  // namespace sojourn
