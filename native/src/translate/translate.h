// Stateless translation between IPv4 and IPv6 (RFC 7915) in the packet's own buffer, of packets and
// of super-packets. Addresses are pairs that the caller knows (RFC 7757). Left out: the embedding
// of RFC 6052, DCCP's checksum, IPv4 options.
#pragma once
#include "base/bytes.h"
#include "net/packet.h"
#include "net/virtio.h"

namespace sojourn {

// Writable octets that must lie in front of a packet. An ICMPv4 error needs most: two headers grow
// by 20, a Fragment Header of 8 in the quoted packet, and up to 7 that bring it to a multiple of
// eight (RFC 4884 §4.5).
constexpr size_t kTranslationHeadroom = 56;

enum class Verdict : u8 {
  translated,
  fragment,  // translated, checksum complete, longer than `value` and allowed to be cut:
             // fragmentTranslated
  segment,   // not translated: a super-packet whose datagrams do not fit as they are: translateCopy
  // Not translated; the sender is to be told, in the packet's own family.
  tooBig,         // Packet Too Big or Fragmentation Needed with the MTU `value` (§4.1, §5.1)
  hopLimit,       // Time Exceeded, code 0
  sourceRoute,    // Destination Unreachable, Source Route Failed (§4.1)
  routingHeader,  // Parameter Problem, code 0, pointer `value` (§5.1)
  // Not translated; dropped.
  malformed,
  headerChecksum,       // of IPv4, RFC 1812 §5.2.2
  illegalSource,        // §4.1, §5.1
  protocol,             // IGMP, and numbers that would mean something else in the other family
  icmpFragment,         // §1.3
  icmpType,             // single-hop, obsolete, unknown, or without an equivalent (§4.2, §5.2)
  nestedError,          // an error that quotes an error (§4.3, §5.3)
  unmapped,             // a quoted packet with an address that no pair has
  fragmentedExtension,  // an extension header behind a Fragment Header (§5.1.1)
  zeroChecksum,         // UDP without checksum, in fragments or against the policy (§4.5)
  offload,              // virtio header and packet do not belong together
};

// The address pairs, asked for the packet that an ICMP error quotes.
class AddressPairs {
 public:
  // The other family's address for `address` of `family`; false when no pair has it.
  virtual bool counterpart(u8 family, const u8* address, Address& other) const = 0;

 protected:
  ~AddressPairs() = default;
};

struct TranslationPolicy {
  u32 lowestIpv6Mtu = kIpv6MinimumMtu;  // §4.1: to what a packet without DF is fragmented
  bool keepTrafficClass = true;         // false: zero (§4.1, §5.1)
  bool computeZeroChecksums = true;     // false: dropped (§4.5)
};

struct TranslationTarget {
  Address source;  // of the other family; of an ICMP error from a router without a pair: an address
                   // of the translator (RFC 6791)
  Address destination;
  u32 mtu;        // of the next hop, in the other family
  u32 originMtu;  // of the next hop back, in the packet's own family: the MTU in ICMP errors must
                  // not be above either
  u16 identification = 0;  // of the IPv4 packet; a super-packet's segments count up from it
  const AddressPairs* pairs = nullptr;
  TranslationPolicy policy = {};
};

struct Translation {
  Verdict verdict;
  u32 value = 0;
  bool lowered = false;  // TCP segments became smaller; DF or not, that is no fragmentation
  bool checksumComputed = false;  // of a UDP datagram that had none
};

// Translates `packet`, as viewPacket gave it, and its virtio header to the other family; `packet`
// is the new one afterwards. The octets of kTranslationHeadroom in front of it are overwritten.
// What is not translated stays as it was, but for a partial checksum of another protocol than TCP
// and UDP, which is completed first. A wrong transport checksum stays wrong. Of a super-packet only
// the headers are read and need to be there. Of a super-packet the longest segment decides about DF
// (§5.1), so a shorter last one is sent with DF where alone it would not be.
Translation translate(PacketView& packet, VirtioHeader& virtio, const TranslationTarget& target);

// Whether `packet` is an ICMP error: one that is translated even if its source has no pair (§4.1),
// and never answered with an error.
bool isIcmpError(const PacketView& packet);

}  // namespace sojourn
