// Stateless translation between IPv4 and IPv6 (RFC 7915) in the packet's own buffer, of packets and
// of super-packets. The caller supplies the address pairs (RFC 7757). Not implemented: embedded
// addresses (RFC 6052), the checksum of DCCP, IPv4 options.
#pragma once
#include "base/bytes.h"
#include "net/packet.h"
#include "net/virtio.h"

namespace sojourn {

// Writable octets in front of a packet. An ICMPv4 error needs most: two headers grow by 20, the
// quoted packet gets a Fragment Header of 8, and up to 7 octets bring it to a multiple of eight
// (RFC 4884 §4.5).
constexpr size_t kTranslationHeadroom = 56;

enum class Verdict : u8 {
  translated,
  fragment,  // translated, checksum complete, longer than `value`: for fragmentTranslated()
  segment,   // not translated: a super-packet with too large datagrams: for translateCopy()
  // Not translated. The sender gets an ICMP error in the packet's own family.
  tooBig,         // Packet Too Big or Fragmentation Needed with the MTU `value` (§4.1, §5.1)
  hopLimit,       // Time Exceeded, code 0
  sourceRoute,    // Destination Unreachable, Source Route Failed (§4.1)
  routingHeader,  // Parameter Problem, code 0, pointer `value` (§5.1)
  // Not translated. The packet is dropped.
  malformed,
  headerChecksum,       // IPv4, RFC 1812 §5.2.2
  illegalSource,        // §4.1, §5.1
  protocol,             // IGMP, and numbers with another meaning in the other family
  icmpFragment,         // §1.3
  icmpType,             // single-hop, obsolete, unknown, or without an equivalent (§4.2, §5.2)
  nestedError,          // an error about an error (§4.3, §5.3)
  unmapped,             // an address of the quoted packet has no counterpart
  fragmentedExtension,  // an extension header behind a Fragment Header (§5.1.1)
  zeroChecksum,         // UDP without checksum, fragmented or refused by the policy (§4.5)
  offload,              // the virtio header does not fit the packet
};

// The address pairs, for the packet that an ICMP error quotes.
class AddressPairs {
 public:
  // The counterpart of `address` in the other family; false if it has none.
  virtual bool counterpart(u8 family, const u8* address, Address& other) const = 0;

 protected:
  ~AddressPairs() = default;
};

struct TranslationPolicy {
  u32 lowestIpv6Mtu = kIpv6MinimumMtu;  // §4.1: fragment size of packets without DF
  bool keepTrafficClass = true;         // false: zero (§4.1, §5.1)
  bool computeZeroChecksums = true;     // false: dropped (§4.5)
};

struct TranslationTarget {
  // Of the other family. For an ICMP error from a router without a pair, an address of the
  // translator (RFC 6791).
  Address source;
  Address destination;
  // Of the next hop, in the other family.
  u32 mtu;
  // Of the next hop back, in the packet's own family. The MTU in ICMP errors exceeds neither.
  u32 originMtu;
  // Of the IPv4 packet; the segments of a super-packet count up from it.
  u16 identification = 0;
  const AddressPairs* pairs = nullptr;
  TranslationPolicy policy = {};
};

struct Translation {
  Verdict verdict;
  u32 value = 0;
  bool lowered = false;           // TCP segments became smaller, which DF does not forbid
  bool checksumComputed = false;  // the UDP datagram had none
};

// Translates `packet`, as viewPacket gave it, and its virtio header to the other family. Overwrites
// the kTranslationHeadroom octets in front of it. A packet that is not translated stays unchanged,
// except that a partial checksum of a protocol other than TCP and UDP is completed. A wrong
// transport checksum stays wrong. Of a super-packet, only the headers are read; its longest segment
// decides about DF (§5.1), so a shorter last one may have DF where alone it would not.
Translation translate(PacketView& packet, VirtioHeader& virtio, const TranslationTarget& target);

// Whether `packet` is an ICMP error. Those are translated even if their source has no pair (§4.1),
// and no error is sent about them.
bool isIcmpError(const PacketView& packet);

}  // namespace sojourn
