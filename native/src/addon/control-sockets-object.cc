#include "addon/control-sockets-object.h"

#include <memory>

#include "addon/plane-specs.h"
#include "base/clock.h"
#include "control/control-sockets.h"

namespace sojourn::js {
namespace {

std::vector<ControlEndpoint> endpointsOf(const Napi::Value& value) {
  std::vector<ControlEndpoint> endpoints;
  const auto list = value.As<Napi::Array>();
  for (u32 index = 0; index < list.Length(); index++) {
    const Napi::Object one = objectOf(list.Get(index), "an endpoint");
    const ParsedAddress address = addressOf(one, "address");
    endpoints.push_back({.family = address.family,
                         .address = address.address,
                         .port = integerOf<u16>(one, "port")});
  }
  return endpoints;
}

struct NamedCounter {
  const char* name;
  Counters::Name counter;
};
constexpr NamedCounter kCounters[] = {{"datagrams-received", Counters::receivePackets},
                                      {"drop-source", Counters::dropPermit},
                                      {"drop-malformed", Counters::dropMalformed},
                                      {"drop-punt-full", Counters::dropPuntFull},
                                      {"drop-handshake-mac", Counters::dropHandshakeMac},
                                      {"drop-handshake-rate", Counters::dropHandshakeRate},
                                      {"cookie-replies", Counters::cookieReplies},
                                      {"drop-unknown-spi", Counters::dropUnknownSpi}};

class ControlSocketsObject : public Napi::ObjectWrap<ControlSocketsObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "ControlSockets",
        {InstanceMethod("endpoints", &ControlSocketsObject::endpoints),
         InstanceMethod("takePunts", &ControlSocketsObject::takePunts),
         InstanceMethod("send", &ControlSocketsObject::send),
         InstanceMethod("handshakeCheckSet", &ControlSocketsObject::handshakeCheckSet),
         InstanceMethod("ownSpisChange", &ControlSocketsObject::ownSpisChange),
         InstanceMethod("counters", &ControlSocketsObject::counters),
         InstanceMethod("close", &ControlSocketsObject::close)});
  }

  // (endpoints, protocol, { waiting, punted }): `waiting`: takePunts has some.
  explicit ControlSocketsObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<ControlSocketsObject>(info) {
    const std::vector<ControlEndpoint> endpoints = endpointsOf(info[0]);
    const bool ntmobile = info[1].As<Napi::String>().Utf8Value() == "ntmobile";
    const auto protocol = ntmobile ? ControlProtocol::ntmobile : ControlProtocol::other;
    const Napi::Object handlers = objectOf(info[2], "handlers");
    punted_ = Napi::Persistent(handlers.Get("punted").As<Napi::Function>());
    wake_ = Napi::ThreadSafeFunction::New(
        info.Env(), handlers.Get("waiting").As<Napi::Function>(), "control", 0, 1);
    try {
      withErrors(info.Env(), [&] {
        sockets_ = std::make_unique<ControlSockets>(endpoints, protocol,
                                                    [this] { wake_.NonBlockingCall(); });
      });
    } catch (...) {
      wake_.Release();
      throw;
    }
  }

  ~ControlSocketsObject() override { end(); }

 private:
  ControlSockets& sockets(const Napi::CallbackInfo& info) {
    if (sockets_ == nullptr) throw typeError(info.Env(), "the sockets are closed");
    return *sockets_;
  }

  Napi::Value endpoints(const Napi::CallbackInfo& info) {
    Napi::Array list = Napi::Array::New(info.Env());
    for (const ControlEndpoint& at : sockets(info).endpoints()) {
      Napi::Object one = Napi::Object::New(info.Env());
      one.Set("address", formatAddress(at.family, at.address));
      one.Set("port", at.port);
      list.Set(list.Length(), one);
    }
    return list;
  }

  // (limit): hands that many datagrams to the handler, at most. True: there are more.
  Napi::Value takePunts(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    bool more = false;
    if (sockets_ == nullptr) return Napi::Boolean::New(env, false);
    for (const ControlPacket& punt : sockets_->takePunts(info[0].ToNumber().Uint32Value(), more)) {
      const Napi::HandleScope scope(env);
      Napi::Object value = Napi::Object::New(env);
      value.Set("path", packetPathValue(env, punt.path));
      value.Set("packet", bytesFrom(env, punt.packet.data(), punt.packet.size()));
      punted_.Call({value});
      if (sockets_ == nullptr) return Napi::Boolean::New(env, false);
    }
    return Napi::Boolean::New(env, more);
  }

  // (path, packet): 0, or a positive errno.
  Napi::Value send(const Napi::CallbackInfo& info) {
    const Napi::Uint8Array packet = bytesOf(info[1]);
    const Napi::Object object = objectOf(info[0], "path");
    PacketPath path = packetPathOf(object);
    path.localPort = integerOf<u16>(object, "localPort");
    const int error = sockets(info).send(path, packet.Data(), packet.ByteLength());
    return Napi::Number::New(info.Env(), error);
  }

  void handshakeCheckSet(const Napi::CallbackInfo& info) {
    sockets(info).handshakes().set(handshakeKeysOf(objectOf(info[0], "handshake check")),
                                   monotonicMs());
  }

  void ownSpisChange(const Napi::CallbackInfo& info) {
    sockets(info).ownSpis().change(spisOf(info[0]), spisOf(info[1]));
  }

  Napi::Value counters(const Napi::CallbackInfo& info) {
    Napi::Object value = Napi::Object::New(info.Env());
    for (const auto& [name, counter] : kCounters) {
      value.Set(name, static_cast<double>(sockets(info).counter(counter)));
    }
    return value;
  }

  void end() {
    if (sockets_ == nullptr) return;
    sockets_.reset();
    wake_.Release();
  }

  void close(const Napi::CallbackInfo&) { end(); }

  std::unique_ptr<ControlSockets> sockets_;
  Napi::ThreadSafeFunction wake_;
  Napi::FunctionReference punted_;
};

}  // namespace

Napi::Function defineControlSockets(Napi::Env env) { return ControlSocketsObject::define(env); }

}  // namespace sojourn::js
