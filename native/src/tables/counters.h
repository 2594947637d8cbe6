// Plane-wide counters. This table is the only place where their names are written; JavaScript reads
// it through the addon.
#pragma once
#include <atomic>

#include "base/bytes.h"

namespace sojourn {

// clang-format off
#define SOJOURN_COUNTERS(X)                                                                                     \
  X(transmitPackets, "transmit-packets")              /* inner packets sent into tunnels */                     \
  X(transmitOctets, "transmit-octets")                                                                          \
  X(transmitReads, "transmit-reads")                  /* reads of the TUN */                                    \
  X(transmitCalls, "transmit-calls")                  /* send system calls */                                   \
  X(relayPackets, "relay-packets")                    /* datagrams passed on from leg to leg */                 \
  X(relayOctets, "relay-octets")                                                                                \
  X(receivePackets, "receive-packets")                /* inner packets taken out of tunnels and permitted */    \
  X(receiveOctets, "receive-octets")                                                                            \
  X(receiveCalls, "receive-calls")                    /* receive system calls */                                \
  X(receiveWrites, "receive-writes")                  /* writes to the TUN */                                   \
  X(punts, "punts")                                                                                             \
  X(injects, "injects")                                                                                         \
  X(held, "held")                                                                                               \
  X(replayed, "replayed")                                                                                       \
  X(heldOutward, "held-outward")                      /* for a virtual address without a tunnel yet */          \
  X(replayedOutward, "replayed-outward")                                                                        \
  X(translated, "translated")                         /* between the families, super-packets as one */          \
  X(refusalsSent, "refusals-sent")                    /* errors about what was not translated */                \
  X(packetTooBigSent, "packet-too-big-sent")                                                                    \
  X(unreachableSent, "unreachable-sent")              /* errors about outer packets, told to who sent the inner */  \
  X(innerFragments, "inner-fragments")                /* made of IPv4 packets without DF */                     \
  X(outerFragments, "outer-fragments")                /* RFC 2473 §7.1 */                                       \
  X(pathMtuLearnt, "path-mtu-learnt")                                                                           \
  X(segmentationOff, "segmentation-off")              /* UDP_SEGMENT refused by the outgoing device */          \
  X(dropUnknownEndpoint, "drop-unknown-endpoint")                                                               \
  X(dropPermit, "drop-permit")                        /* inner address does not belong to the tunnel */         \
  X(dropNoRoute, "drop-no-route")                                                                               \
  X(dropMalformed, "drop-malformed")                                                                            \
  X(dropTooBig, "drop-too-big")                                                                                 \
  X(dropHoldExpired, "drop-hold-expired")                                                                       \
  X(dropHoldFull, "drop-hold-full")                                                                             \
  X(dropOutwardHoldExpired, "drop-outward-hold-expired")                                                        \
  X(dropOutwardHoldFull, "drop-outward-hold-full")                                                              \
  X(dropUnmapped, "drop-unmapped")                    /* to an address with a counterpart, from one without */  \
  X(dropUntranslatable, "drop-untranslatable")        /* RFC 7915 has no translation, or refuses it */          \
  X(dropTransmitQueueFull, "drop-transmitQueue-full")             /* too many errors to be sent into tunnels at once */     \
  X(dropPuntFull, "drop-punt-full")                                                                             \
  X(dropChecksum, "drop-checksum")                                                                              \
  X(dropEcn, "drop-ecn")                              /* congestion on a packet that cannot say so, RFC 6040 */ \
  X(dropFragment, "drop-fragment")                                                                              \
  X(dropSendError, "drop-send-error")                                                                           \
  X(dropWriteError, "drop-write-error")                                                                         \
  X(dropNestingLimit, "drop-nesting-limit")           /* tunnels in tunnels beyond kNestingLimit */             \
  X(roamingNotices, "roaming-notices")                /* sealed packets from beside the tunnel's far end */     \
  X(dropDatagramType, "drop-datagram-type")           /* on the sealed port, of a type that is none */          \
  X(dropUnknownSpi, "drop-unknown-spi")                                                                         \
  X(dropReplay, "drop-replay")                        /* counter seen before, or too old to know */             \
  X(dropForged, "drop-forged")                        /* the tag does not verify */                             \
  X(dropNoAssociation, "drop-no-association")         /* nothing to seal with */                                \
  X(dropKeySpent, "drop-key-spent")                   /* 2^62 packets under one key */                          \
  X(dropTunnelUnvalidated, "drop-tunnel-unvalidated") /* by a tunnel, more than may go where nobody showed that it is */ \
  X(dropRelaySource, "drop-relay-source")             /* to a leg, from elsewhere than where its node is */     \
  X(dropRelayAlone, "drop-relay-alone")               /* the other leg is not there */                          \
  X(dropRelayType, "drop-relay-type")                 /* no datagram that a relay passes on is in it */         \
  X(dropRelayRate, "drop-relay-rate")                 /* more than goes to the other leg in that time */        \
  X(dropRelayUnvalidated, "drop-relay-unvalidated")   /* more than may go where nobody showed that it is */
// clang-format on

struct Counters {
  enum Name : u32 {
#define X(name, text) name,
    SOJOURN_COUNTERS(X)
#undef X
        kCount
  };

  // One writer per instance: a relaxed load and store compile to one plain addition.
  void add(Name name, u64 amount = 1) {
    values[name].store(values[name].load(std::memory_order_relaxed) + amount,
                       std::memory_order_relaxed);
  }

  alignas(64) std::atomic<u64> values[kCount] = {};
};

inline constexpr const char* kCounterNames[] = {
#define X(name, text) text,
    SOJOURN_COUNTERS(X)
#undef X
};

}  // namespace sojourn
