// Plane-wide counters. Their names are written here only: JavaScript reads them through the addon,
// and the comments become the reference page of metrics.
#pragma once
#include <atomic>

#include "base/bytes.h"

namespace sojourn {

// clang-format off
#define SOJOURN_COUNTERS(X)                                                                        \
  X(transmitPackets, "transmit-packets")           /* inner packets sent into tunnels */           \
  X(transmitOctets, "transmit-octets")                                                             \
  X(transmitReads, "transmit-reads")               /* reads of the TUN */                          \
  X(transmitCalls, "transmit-calls")               /* send system calls */                         \
  X(relayPackets, "relay-packets")                 /* datagrams forwarded from leg to leg */       \
  X(relayOctets, "relay-octets")                                                                   \
  X(receivePackets, "receive-packets")             /* permitted inner packets out of tunnels */    \
  X(receiveOctets, "receive-octets")                                                               \
  X(receiveCalls, "receive-calls")                 /* receive system calls */                      \
  X(receiveWrites, "receive-writes")               /* writes to the TUN */                         \
  X(punts, "punts")                                /* control packets handed to the engine */      \
  X(injects, "injects")                            /* control packets sent by the engine */        \
  X(held, "held")                                  /* from an endpoint without a tunnel yet */     \
  X(replayed, "replayed")                    /* held packets, received once the tunnel was set */  \
  X(heldOutward, "held-outward")                 /* for a virtual address without a tunnel yet */  \
  X(replayedOutward, "replayed-outward")         /* held packets, sent once the tunnel was set */  \
  X(homeAddressPackets, "home-address-packets") /* Home Address option or type 2 routing header */ \
  X(sentUnchanged, "sent-unchanged")       /* to a home address, but not on an optimized path */   \
  X(translated, "translated")                    /* between the families, super-packets as one */  \
  X(refusalsSent, "refusals-sent")            /* errors about packets that were not translated */  \
  X(packetTooBigSent, "packet-too-big-sent")                                                       \
  X(unreachableSent, "unreachable-sent")        /* errors about outer packets, relayed inwards */  \
  X(innerFragments, "inner-fragments")             /* made of IPv4 packets without DF */           \
  X(outerFragments, "outer-fragments")             /* RFC 2473 §7.1 */                             \
  X(pathMtuLearnt, "path-mtu-learnt")                                                              \
  X(pathErrorsUnproved, "path-errors-unproved") /* ICMP errors that quote nothing sent lately */   \
  X(pathErrorsOutOfRange, "path-errors-out-of-range") /* Packet Too Big that no path would send */ \
  X(pathErrorsUnconfirmed, "path-errors-unconfirmed") /* about data: the next probe decides */     \
  X(pathErrorsRefuted, "path-errors-refuted") /* larger probes passed, at most a minute before */  \
  X(pathMtuProbed, "path-mtu-probed")      /* paths on which larger packets vanish, RFC 8899 */    \
  X(pathProbesSent, "path-probes-sent")                                                            \
  X(pathProbesAnswered, "path-probes-answered")                                                    \
  X(segmentationOff, "segmentation-off")   /* UDP_SEGMENT refused: one by one for a minute */      \
  X(coalescingOff, "coalescing-off")       /* the TUN refused a super-packet: written in parts */  \
  X(mssClamped, "mss-clamped")             /* TCP SYN whose MSS was lowered to the tunnel */       \
  X(dropUnknownEndpoint, "drop-unknown-endpoint")  /* no tunnel has the endpoint */                \
  X(dropPermit, "drop-permit")             /* inner address that does not belong to the tunnel */  \
  X(dropInnerAddress, "drop-inner-address") /* inner address that no packet there may have */      \
  X(dropHomeAddress, "drop-home-address") /* type 2 routing header that RFC 6275 §6.4 forbids */   \
  X(dropNoRoute, "drop-no-route")                  /* no tunnel for the packet */                  \
  X(dropMalformed, "drop-malformed")                                                               \
  X(dropTooBig, "drop-too-big")                    /* larger than the tunnel MTU */                \
  X(dropHoldExpired, "drop-hold-expired")                                                          \
  X(dropHoldFull, "drop-hold-full")                                                                \
  X(dropOutwardHoldExpired, "drop-outward-hold-expired")                                           \
  X(dropOutwardHoldFull, "drop-outward-hold-full")                                                 \
  X(dropUnmapped, "drop-unmapped")              /* an address of the packet has no counterpart */  \
  X(dropUntranslatable, "drop-untranslatable")   /* RFC 7915 has no translation, or forbids it */  \
  X(dropTransmitQueueFull, "drop-transmit-queue-full") /* too many errors for tunnels at once */   \
  X(dropPuntFull, "drop-punt-full")  /* control packets above the share of their source */         \
  X(dropChecksum, "drop-checksum")                                                                 \
  X(dropEcn, "drop-ecn")                   /* CE on a packet that is not ECN-capable, RFC 6040 */  \
  X(reassembled, "reassembled")            /* outer and control packets, of their fragments */     \
  X(dropFragment, "drop-fragment")         /* a fragment that no valid packet can have */          \
  X(dropFragmentOverlap, "drop-fragment-overlap")  /* with other octets of its packet, RFC 5722 */ \
  X(dropFragmentDuplicate, "drop-fragment-duplicate")                                              \
  X(dropFragmentExpired, "drop-fragment-expired")  /* the rest did not come within 5 s */          \
  X(dropFragmentFull, "drop-fragment-full") /* above the memory of its source or of all sources */ \
  X(dropSendError, "drop-send-error")                                                              \
  X(dropWriteError, "drop-write-error")                                                            \
  X(dropNestingLimit, "drop-nesting-limit")       /* more than 4 nested tunnels, RFC 2473 §6.6 */  \
  X(unknownEndpointNotices, "unknown-endpoint-notices") /* endpoint without a tunnel reported */   \
  X(roamingNotices, "roaming-notices")  /* sealed or ESP packets from another peer address */      \
  X(natKeepalives, "nat-keepalives")    /* received on the port of ESP in UDP, RFC 3948 */         \
  X(espDummies, "esp-dummies")             /* ESP packets without content, RFC 4303 §2.6 */        \
  X(dropDatagramType, "drop-datagram-type") /* unknown on the sealed port; IKE on that of ESP */ \
  X(dropHandshakeMac, "drop-handshake-mac")  /* initiation with a wrong MAC1, while under load */  \
  X(dropHandshakeRate, "drop-handshake-rate")  /* initiations above the rate of a prefix */        \
  X(cookieReplies, "cookie-replies")       /* initiations answered by a cookie, while under load */\
  X(dropUnknownSpi, "drop-unknown-spi")    /* sealed under an SPI that this host has not chosen */ \
  X(dropReplay, "drop-replay")                     /* counter seen before, or too old to tell */   \
  X(dropForged, "drop-forged")                     /* the tag does not verify */                   \
  X(dropNoAssociation, "drop-no-association")      /* the tunnel has no key to seal with */        \
  X(dropKeySpent, "drop-key-spent")    /* 2^60 packets, or no recorded sequence number of ESP */   \
  X(dropTunnelUnvalidated, "drop-tunnel-unvalidated") /* over the anti-amplification limit */      \
  X(dropRelaySource, "drop-relay-source")          /* not from the address of the leg's node */    \
  X(dropRelayAlone, "drop-relay-alone")            /* the other leg does not exist */              \
  X(dropRelayType, "drop-relay-type")              /* not a datagram that a relay forwards */      \
  X(dropRelayRate, "drop-relay-rate")              /* above the rate of the other leg */           \
  X(dropRelayUnvalidated, "drop-relay-unvalidated") /* over the other leg's amplification limit */
// clang-format on

struct Counters {
  enum Name : u32 {
#define X(name, text) name,
    SOJOURN_COUNTERS(X)
#undef X
        kCount
  };

  // One writer for each instance: a relaxed load and store compile to one plain addition.
  void add(Name name, u64 amount = 1) {
    values[name].store(values[name].load(std::memory_order_relaxed) + amount,
                       std::memory_order_relaxed);
  }

  // Takes over the counters of a thread that has ended.
  void addAll(const Counters& ended) {
    for (u32 name = 0; name < kCount; name++) {
      add(static_cast<Name>(name), ended.values[name].load(std::memory_order_relaxed));
    }
  }

  alignas(64) std::atomic<u64> values[kCount] = {};
};

inline constexpr const char* kCounterNames[] = {
#define X(name, text) text,
    SOJOURN_COUNTERS(X)
#undef X
};

}  // namespace sojourn
