// Translation of what does not fit in one piece (RFC 7915 §4.1, §5.1.1), and the answer to what is
// refused (§4.4, §5.4): by copying, for the few packets that need it.
#pragma once
#include "net/outer-header.h"
#include "translate/translate.h"

namespace sojourn {

// Cuts what translate gave as Verdict::fragment; `limit` is its `value`. Each fragment is a whole
// packet with nothing left to the device.
Packets fragmentTranslated(const PacketView& packet, u32 limit);

// Translates a copy of the packet, segment by segment if it is a super-packet, and fragments what
// has to be. The verdict of the first that cannot be translated, or `translated`; `out` then has
// what is to be sent, in order.
Translation translateApart(const PacketView& packet, const VirtioHeader& virtio,
                           const TranslationTarget& target, Packets& out);

// What the sender of a packet that was not translated is told, from `source` of the packet's family
// (null: from the packet's destination); empty for verdicts that are silent and packets that
// nothing may be told about. `packet` is as translate left it.
std::vector<u8> refusal(const PacketView& packet, const Translation& translation,
                        const Address* source);

}  // namespace sojourn
