#include "seal/aead-library.h"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <new>

#include "seal/aead.h"

namespace sojourn {
namespace {

using Fetch = EVP_CIPHER* (*)(OSSL_LIB_CTX*, const char* name, const char* properties);

bool fetchCiphers(Fetch fetch, AeadLibrary& library) {
  static constexpr const char* kGcm[] = {"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"};
  static constexpr const char* kCbc[] = {"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"};
  library.chacha20Poly1305 = fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  bool complete = library.chacha20Poly1305 != nullptr;
  for (int size = 0; size < 3; size++) {
    library.aesGcm[size] = fetch(nullptr, kGcm[size], nullptr);
    library.aesCbc[size] = fetch(nullptr, kCbc[size], nullptr);
    complete = complete && library.aesGcm[size] != nullptr && library.aesCbc[size] != nullptr;
  }
  return complete;
}

template <class Function>
bool resolve(const char* name, Function& function) {
  // The addon's own copy is hidden from dlsym, so a function that is found belongs to another one.
  void* found = ::dlsym(RTLD_DEFAULT, name);
  if (found == nullptr) return false;
  std::memcpy(&function, &found, sizeof function);
  return true;
}

bool processHasNewer() {
  unsigned long (*version)() = nullptr;
  if (!resolve("OpenSSL_version_num", version)) return false;
  return version() >> 28 == OpenSSL_version_num() >> 28 && version() > OpenSSL_version_num();
}

bool useCopyOfProcess(AeadLibrary& library) {
  Fetch fetch = nullptr;
  return processHasNewer() && resolve("EVP_CIPHER_fetch", fetch) &&
         resolve("EVP_CIPHER_CTX_new", library.contextNew) &&
         resolve("EVP_CIPHER_CTX_free", library.contextFree) &&
         resolve("EVP_CipherInit_ex2", library.init) &&
         resolve("EVP_CipherUpdate", library.update) &&
         resolve("EVP_CipherFinal_ex", library.final) &&
         resolve("EVP_CIPHER_CTX_get_params", library.getParameters) &&
         fetchCiphers(fetch, library);
}

AeadLibrary choose() {
  AeadLibrary library{};
  // Fails if Node is configured to offer approved (FIPS) ciphers only.
  if (useCopyOfProcess(library)) return library;
  prepareCryptography();
  library.contextNew = EVP_CIPHER_CTX_new;
  library.contextFree = EVP_CIPHER_CTX_free;
  library.init = EVP_CipherInit_ex2;
  library.update = EVP_CipherUpdate;
  library.final = EVP_CipherFinal_ex;
  library.getParameters = EVP_CIPHER_CTX_get_params;
  if (!fetchCiphers(EVP_CIPHER_fetch, library)) throw std::bad_alloc();
  return library;
}

}  // namespace

const AeadLibrary& aeadLibrary() {
  static const AeadLibrary library = choose();
  return library;
}

}  // namespace sojourn
