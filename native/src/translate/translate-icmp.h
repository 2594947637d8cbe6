// Translation of ICMP: queries, errors and the packets that errors quote. RFC 7915 §4.2, §4.3,
// §5.2, §5.3; extensions RFC 4884.
#pragma once
#include "translate/translate-header.h"

namespace sojourn {

// True for types of errors about a packet, translatable or not.
bool isIcmpErrorType(u8 family, u8 type);

// Translates the types of Echo and Echo Reply. False for other types.
bool translateEchoType(u8 family, u8 type, u8& translated);

struct IcmpMessage {
  u8* data;
  u32 length;
};

// Translates the whole message of an error of `family`; `addresses` is the sum of its addresses.
// Then `message` is the new one: it begins at most kTranslationHeadroom - 20 octets before the old
// one, and is truncated to the size allowed for errors. It is unchanged unless the verdict is
// `translated`.
Verdict translateIcmpError(u8 family, u64 addresses, const TranslationTarget& target,
                           IcmpMessage& message);

}  // namespace sojourn
