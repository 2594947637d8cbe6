// Translation by copying, for the few packets that need it: those that do not fit in one piece
// (RFC 7915 §4.1, §5.1.1), and the ICMP errors about those that are not translated (§4.4, §5.4).
#pragma once
#include "net/outer-header.h"
#include "translate/translate.h"

namespace sojourn {

// Fragments a packet with Verdict::fragment; `limit` is the verdict's `value`. Each fragment is
// complete: no offload is left to the device.
Packets fragmentTranslated(const PacketView& packet, u32 limit);

// Translates a copy of the packet, a super-packet segment by segment, and fragments pieces that are
// too long. Returns the verdict of the first piece that cannot be translated, or `translated`.
// `out` gets the packets to send, in order.
Translation translateCopy(const PacketView& packet, const VirtioHeader& virtio,
                          const TranslationTarget& target, Packets& out);

// The ICMP error to the sender of a packet that was not translated, from `source` (null: the
// packet's destination). Empty for a verdict without an error, and for a packet that no error may
// be sent about. `packet` is as translate() left it.
std::vector<u8> translationError(const PacketView& packet, const Translation& translation,
                                 const Address* source);

}  // namespace sojourn
