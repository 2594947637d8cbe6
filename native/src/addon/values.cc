#include "addon/values.h"

#include <arpa/inet.h>

namespace sojourn::js {

Napi::Error typeError(Napi::Env env, const std::string& what) {
  return Napi::TypeError::New(env, what);
}

Napi::Error systemError(Napi::Env env, const SystemError& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  const char* name = ::strerrorname_np(failure.error);
  error.Set("code", name == nullptr ? "EUNKNOWN" : name);
  return error;
}

std::string textOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString()) throw typeError(object.Env(), std::string(name) + " is not a string");
  return value.As<Napi::String>().Utf8Value();
}

double numberOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) throw typeError(object.Env(), std::string(name) + " is not a number");
  return value.As<Napi::Number>().DoubleValue();
}

Napi::Object objectOf(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) throw typeError(value.Env(), std::string(name) + " is not an object");
  return value.As<Napi::Object>();
}

Napi::Uint8Array bytesOf(const Napi::Value& value) {
  const bool right =
      value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
  if (!right) throw typeError(value.Env(), "bytes are not a Uint8Array");
  return value.As<Napi::Uint8Array>();
}

Napi::Uint8Array bytesFrom(Napi::Env env, const u8* data, size_t length) {
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, length);
  if (length > 0) std::memcpy(bytes.Data(), data, length);
  return bytes;
}

ParsedAddress addressFrom(Napi::Env env, const std::string& text) {
  ParsedAddress parsed;
  parsed.family = text.find(':') == std::string::npos ? 4 : 6;
  const int domain = parsed.family == 6 ? AF_INET6 : AF_INET;
  if (::inet_pton(domain, text.c_str(), parsed.address.bytes) == 1) return parsed;
  throw typeError(env, "not an IP address: " + text);
}

ParsedAddress addressOf(const Napi::Object& object, const char* name) {
  return addressFrom(object.Env(), textOf(object, name));
}

std::string formatAddress(int family, const Address& address) {
  char text[INET6_ADDRSTRLEN];
  const int domain = family == 6 ? AF_INET6 : AF_INET;
  return ::inet_ntop(domain, address.bytes, text, sizeof text) == nullptr ? "" : text;
}

}  // namespace sojourn::js
