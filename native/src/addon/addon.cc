// The addon's exports. Only this folder knows Node: everything else is built and tested without it.
#include "addon/control-sockets-object.h"
#include "addon/marked-socket.h"
#include "addon/netlink-object.h"
#include "addon/notify-socket.h"
#include "addon/plane-object.h"
#include "addon/values.h"

namespace sojourn::js {
namespace {

void notify(const Napi::CallbackInfo& info) {
  if (!info[0].IsString() || !info[1].IsString()) {
    throw typeError(info.Env(), "socket or text is not a string");
  }
  const std::string socket = info[0].As<Napi::String>().Utf8Value();
  const std::string text = info[1].As<Napi::String>().Utf8Value();
  withErrors(info.Env(), [&] { sendToNotifySocket(socket, text); });
}

Napi::Value openMarked(const Napi::CallbackInfo& info) {
  const Napi::Object options = objectOf(info[0], "options");
  ParsedAddress source;
  const bool bound = has(options, "source");
  if (bound) source = addressOf(options, "source");
  const int fd = withErrors(info.Env(), [&] {
    return openMarkedSocket({.stream = textOf(options, "type") == "tcp",
                             .family = integerOf<int>(options, "family"),
                             .mark = static_cast<int>(integerOf<u32>(options, "mark")),
                             .source = bound ? &source.address : nullptr});
  });
  return Napi::Number::New(info.Env(), fd);
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("Plane", definePlane(env));
  exports.Set("ControlSockets", defineControlSockets(env));
  exports.Set("Netlink", defineNetlink(env));
  exports.Set("openMarkedSocket", Napi::Function::New(env, openMarked, "openMarkedSocket"));
  exports.Set("notify", Napi::Function::New(env, notify, "notify"));
  return exports;
}

}  // namespace
}  // namespace sojourn::js

static Napi::Object initializeAddon(Napi::Env env, Napi::Object exports) {
  return sojourn::js::initialize(env, exports);
}
NODE_API_MODULE(sojourn, initializeAddon)
