// Conversion between JavaScript values and those of the plane.
#pragma once
#include <napi.h>

#include <string>

#include "base/bytes.h"
#include "base/system-error.h"

namespace sojourn::js {

// For a defect in the calling TypeScript. Failures of the system are errors whose `code` is the
// errno's name.
Napi::Error typeError(Napi::Env env, const std::string& what);

Napi::Error systemError(Napi::Env env, const SystemError& failure);

// Runs `body` and rethrows its SystemError as a JavaScript error.
template <class Body>
auto withErrors(Napi::Env env, Body body) {
  try {
    return body();
  } catch (const SystemError& failure) {
    throw systemError(env, failure);
  }
}

// --- members of an object; each throws a TypeError that names the member ---
std::string textOf(const Napi::Object& object, const char* name);
double numberOf(const Napi::Object& object, const char* name);
template <class T>
T integerOf(const Napi::Object& object, const char* name) {
  return static_cast<T>(static_cast<int64_t>(numberOf(object, name)));
}
inline bool has(const Napi::Object& object, const char* name) {
  return !object.Get(name).IsUndefined();
}

Napi::Object objectOf(const Napi::Value& value, const char* name);
Napi::Uint8Array bytesOf(const Napi::Value& value);
Napi::Uint8Array bytesFrom(Napi::Env env, const u8* data, size_t length);

struct ParsedAddress {
  Address address;
  int family;
};
ParsedAddress addressFrom(Napi::Env env, const std::string& text);
ParsedAddress addressOf(const Napi::Object& object, const char* name);
std::string formatAddress(int family, const Address& address);

}  // namespace sojourn::js
