// AES-128-GCM of the multi-buffer library for IPsec (Debian's libipsec-mb1), where the host has it
// and the processor can run it.
//
// It seals a packet in one call. OpenSSL needs five, and looks up the cipher's implementation in
// each: with vector AES that costs more than the cipher itself. It is loaded at run time, because
// it exists for x86 only and hosts may not have it; OpenSSL seals there.
#pragma once
#include "base/bytes.h"

namespace sojourn {

// `gcm_key_data` (1008 octets) and `gcm_context_data` (96) of intel-ipsec-mb.h, and some room.
struct alignas(64) GcmKey {
  u8 octets[1280];
};
struct alignas(64) GcmScratch {
  u8 octets[256];
};

struct GcmLibrary {
  using Prepare = void (*)(const void* key, GcmKey* prepared);
  // Computes the tag in both directions; `out` may be `in`.
  using Run = void (*)(const GcmKey* key, GcmScratch* scratch, u8* out, const u8* in, u64 length,
                       const u8* nonce, const u8* associated, u64 associatedLength, u8* tag,
                       u64 tagLength);
  Prepare prepare;
  Run seal;
  Run open;
};

// Chosen at the first call; null without the library.
const GcmLibrary* gcmLibrary();

}  // namespace sojourn
