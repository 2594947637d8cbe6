#include "seal/gcm-library.h"

#include <dlfcn.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <optional>
#include <string>

namespace sojourn {
namespace {

#if defined(__x86_64__)
constexpr const char* kLibrary = "libIPSec_MB.so.1";

// The suffix of the fastest functions that the processor and the kernel allow.
const char* variant() {
  __builtin_cpu_init();
  const bool aes = __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
  if (!aes || __builtin_cpu_supports("avx2") == 0) return nullptr;
  // The compilers do not know the names of all these features.
  constexpr unsigned kVaes = 1u << 9;
  constexpr unsigned kVpclmulqdq = 1u << 10;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  const bool known = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0;
  const bool vector = known && (c & kVaes) != 0 && (c & kVpclmulqdq) != 0 &&
                      __builtin_cpu_supports("avx512f") != 0 &&
                      __builtin_cpu_supports("avx512vl") != 0 &&
                      __builtin_cpu_supports("avx512bw") != 0 &&
                      __builtin_cpu_supports("avx512dq") != 0;
  return vector ? "vaes_avx512" : "avx_gen4";
}

template <class Function>
bool resolve(void* library, const char* name, const char* suffix, Function& function) {
  void* found = ::dlsym(library, (std::string(name) + suffix).c_str());
  if (found == nullptr) return false;
  std::memcpy(&function, &found, sizeof function);
  return true;
}

bool resolveAll(void* library, const char* suffix, GcmLibrary& functions) {
  return resolve(library, "aes_gcm_pre_128_", suffix, functions.prepare) &&
         resolve(library, "aes_gcm_enc_128_", suffix, functions.seal) &&
         resolve(library, "aes_gcm_dec_128_", suffix, functions.open);
}

// Test case 4 of the specification of GCM (McGrew and Viega): guards against a library with another
// interface under the same names.
bool computesGcm(const GcmLibrary& functions) {
  constexpr u8 key[16] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c,
                          0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};
  constexpr u8 nonce[12] = {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce,
                            0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
  constexpr u8 associated[20] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
                                 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
  constexpr u8 text[60] = {
      0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5, 0xaf, 0xf5, 0x26,
      0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda, 0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31,
      0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95, 0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf, 0x0e, 0x24, 0x49,
      0xa6, 0xb5, 0x25, 0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39};
  constexpr u8 expected[16] = {0x5b, 0xc9, 0x4f, 0xbc, 0x32, 0x21, 0xa5, 0xdb,
                               0x94, 0xfa, 0xe9, 0x5a, 0xe7, 0x12, 0x1a, 0x47};
  GcmKey prepared{};
  GcmScratch scratch{};
  u8 out[sizeof text] = {};
  u8 tag[16] = {};
  functions.prepare(key, &prepared);
  functions.seal(&prepared, &scratch, out, text, sizeof text, nonce, associated,
                 sizeof associated, tag, sizeof tag);
  if (std::memcmp(tag, expected, sizeof tag) != 0) return false;
  u8 back[16] = {};
  functions.open(&prepared, &scratch, out, out, sizeof out, nonce, associated, sizeof associated,
                 back, sizeof back);
  return std::memcmp(back, expected, sizeof back) == 0 && std::memcmp(out, text, sizeof out) == 0;
}

std::optional<GcmLibrary> load() {
  const char* suffix = variant();
  if (suffix == nullptr) return std::nullopt;
  // Stays open: packet threads may use it until the process ends.
  void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  GcmLibrary functions{};
  if (!resolveAll(library, suffix, functions) &&
      !resolveAll(library, "avx_gen4", functions)) {
    return std::nullopt;
  }
  if (!computesGcm(functions)) return std::nullopt;
  return functions;
}
#else
std::optional<GcmLibrary> load() { return std::nullopt; }
#endif

}  // namespace

const GcmLibrary* gcmLibrary() {
  static const std::optional<GcmLibrary> library = load();
  return library.has_value() ? &*library : nullptr;
}

}  // namespace sojourn
