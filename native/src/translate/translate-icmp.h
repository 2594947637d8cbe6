// ICMP between its two versions: queries, errors and what errors quote. RFC 7915 §4.2, §4.3, §5.2,
// §5.3; extensions RFC 4884.
#pragma once
#include "translate/translate-header.h"

namespace sojourn {

// True for types that report an error about a packet, also for those that have no translation.
bool isIcmpErrorType(u8 family, u8 type);

// Echo and Echo Reply, false for other types.
bool translateEchoType(u8 family, u8 type, u8& translated);

struct IcmpMessage {
  u8* data;
  u32 length;
};

// Translates the whole message of an error that came in `family` between `addresses` (their sum);
// `message` is the new one afterwards, begins at most kTranslationHeadroom - 20 octets before the
// old one, and is cut to what an error may have. Nothing is changed unless translated.
Verdict translateIcmpError(u8 family, u64 addresses, const TranslationTarget& target,
                           IcmpMessage& message);

}  // namespace sojourn
