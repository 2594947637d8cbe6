#include "addon/plane-object.h"

#include <memory>

#include "addon/plane-specs.h"
#include "base/clock.h"
#include "plane/plane.h"

namespace sojourn::js {
namespace {

u32 idOf(const Napi::CallbackInfo& info) { return info[0].ToNumber().Uint32Value(); }

class PlaneObject : public Napi::ObjectWrap<PlaneObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Plane",
                       {InstanceMethod("features", &PlaneObject::features),
                        InstanceMethod("deviceIndex", &PlaneObject::deviceIndex),
                        InstanceMethod("reopenDevice", &PlaneObject::reopenDevice),
                        InstanceMethod("renewUdpPort", &PlaneObject::renewUdpPort),
                        InstanceMethod("tunnelSet", &PlaneObject::tunnelSet),
                        InstanceMethod("tunnelDelete", &PlaneObject::tunnelDelete),
                        InstanceMethod("routeSet", &PlaneObject::routeSet),
                        InstanceMethod("routeDelete", &PlaneObject::routeDelete),
                        InstanceMethod("overlaySet", &PlaneObject::overlaySet),
                        InstanceMethod("overlayDelete", &PlaneObject::overlayDelete),
                        InstanceMethod("translationSet", &PlaneObject::translationSet),
                        InstanceMethod("translationDelete", &PlaneObject::translationDelete),
                        InstanceMethod("sealingKeysSet", &PlaneObject::sealingKeysSet),
                        InstanceMethod("sealingKeysDelete", &PlaneObject::sealingKeysDelete),
                        InstanceMethod("espKeysSet", &PlaneObject::espKeysSet),
                        InstanceMethod("espKeysDelete", &PlaneObject::espKeysDelete),
                        InstanceMethod("espSequences", &PlaneObject::espSequences),
                        InstanceMethod("espSpiSet", &PlaneObject::espSpiSet),
                        InstanceMethod("espSpiDelete", &PlaneObject::espSpiDelete),
                        InstanceMethod("relayLegSet", &PlaneObject::relayLegSet),
                        InstanceMethod("relayLegDelete", &PlaneObject::relayLegDelete),
                        InstanceMethod("relayLegCounters", &PlaneObject::relayLegCounters),
                        InstanceMethod("setLocalAddresses", &PlaneObject::setLocalAddresses),
                        InstanceMethod("inject", &PlaneObject::inject),
                        InstanceMethod("counters", &PlaneObject::counters),
                        InstanceMethod("tunnelCounters", &PlaneObject::tunnelCounters),
                        InstanceMethod("tunnelTraffic", &PlaneObject::tunnelTraffic),
                        InstanceMethod("armTrafficNotice", &PlaneObject::armTrafficNotice),
                        InstanceMethod("takePunts", &PlaneObject::takePunts),
                        InstanceMethod("handshakeCheckSet", &PlaneObject::handshakeCheckSet),
                        InstanceMethod("ownSpisChange", &PlaneObject::ownSpisChange),
                        InstanceMethod("registrationKeysSet", &PlaneObject::registrationKeysSet),
                        InstanceMethod("close", &PlaneObject::close)});
  }

  // (options, { waiting, punted, roaming, traffic, unknown }): handlers of punts and notices.
  // `waiting`: takePunts has some.
  explicit PlaneObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PlaneObject>(info) {
    const Options options = optionsOf(objectOf(info[0], "options"));
    const Napi::Object handlers = objectOf(info[1], "handlers");
    const auto handler = [&](const char* name) { return handlers.Get(name).As<Napi::Function>(); };
    punted_ = Napi::Persistent(handler("punted"));
    roaming_ = Napi::Persistent(handler("roaming"));
    traffic_ = Napi::Persistent(handler("traffic"));
    unknown_ = Napi::Persistent(handler("unknown"));
    wake_ = Napi::ThreadSafeFunction::New(info.Env(), handler("waiting"), "plane", 0, 1);
    try {
      withErrors(info.Env(), [&] {
        plane_ = std::make_unique<Plane>(options, [this] { wake_.NonBlockingCall(); });
      });
    } catch (...) {
      wake_.Release();
      throw;
    }
  }

  ~PlaneObject() override { end(); }

 private:
  // (limit): hands that many punts to the handlers, at most. True: there are more.
  Napi::Value takePunts(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    bool more = false;
    if (plane_ == nullptr) return Napi::Boolean::New(env, false);
    for (const ControlPacket& punt : plane_->takePunts(info[0].ToNumber().Uint32Value(), more)) {
      const Napi::HandleScope scope(env);
      handOver(env, punt);
      if (plane_ == nullptr) return Napi::Boolean::New(env, false);
    }
    return Napi::Boolean::New(env, more);
  }

  void handOver(Napi::Env env, const ControlPacket& punt) {
    switch (punt.path.kind) {
      case PathKind::roaming:
        roaming_.Call({packetPathValue(env, punt.path)});
        return;
      case PathKind::unknown:
        unknown_.Call({packetPathValue(env, punt.path)});
        return;
      case PathKind::traffic:
        traffic_.Call(std::initializer_list<napi_value>{});
        return;
      default:
        break;
    }
    Napi::Object value = Napi::Object::New(env);
    value.Set("path", packetPathValue(env, punt.path));
    value.Set("packet", bytesFrom(env, punt.packet.data(), punt.packet.size()));
    punted_.Call({value});
  }

  void end() {
    if (plane_ == nullptr) return;
    plane_.reset();
    wake_.Release();
  }

  Plane& plane(const Napi::CallbackInfo& info) {
    if (plane_ == nullptr) throw typeError(info.Env(), "the plane is closed");
    return *plane_;
  }

  Napi::Value features(const Napi::CallbackInfo& info) {
    const Features& features = plane(info).features();
    Napi::Object value = Napi::Object::New(info.Env());
    value.Set("virtioHeader", true);
    value.Set("tunSegmentation", features.tunSegmentation);
    value.Set("tunUdpSegmentation", features.tunUdpSegmentation);
    value.Set("udpSegmentation", features.udpSegmentation);
    value.Set("udpReceiveOffload", features.udpReceiveOffload);
    return value;
  }

  Napi::Value deviceIndex(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), plane(info).deviceIndex());
  }
  void reopenDevice(const Napi::CallbackInfo& info) {
    Plane& reopened = plane(info);
    withErrors(info.Env(), [&] { reopened.reopenDevice(); });
  }
  void renewUdpPort(const Napi::CallbackInfo& info) {
    Plane& renewed = plane(info);
    withErrors(info.Env(), [&] { renewed.renewUdpPort(); });
  }
  void tunnelSet(const Napi::CallbackInfo& info) {
    plane(info).tunnelSet(tunnelOf(objectOf(info[0], "tunnel")));
  }
  void tunnelDelete(const Napi::CallbackInfo& info) { plane(info).tunnelDelete(idOf(info)); }

  void sealingKeysSet(const Napi::CallbackInfo& info) {
    plane(info).sealingKeysSet(sealingKeysOf(objectOf(info[0], "sealing keys")));
  }
  void sealingKeysDelete(const Napi::CallbackInfo& info) {
    plane(info).tables().sealingKeysDelete(idOf(info));
  }

  void espKeysSet(const Napi::CallbackInfo& info) {
    Plane& changed = plane(info);
    const EspKeysSpec spec = espKeysOf(objectOf(info[0], "ESP keys"));
    withErrors(info.Env(), [&] { changed.espKeysSet(spec); });
  }
  void espKeysDelete(const Napi::CallbackInfo& info) {
    plane(info).tables().espKeysDelete(idOf(info));
  }
  Napi::Value espSequences(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Napi::Array list = Napi::Array::New(env);
    plane(info).tables().forEachEspTunnel([&](u32 tunnel, u64 sent, u64 received) {
      Napi::Object value = Napi::Object::New(env);
      value.Set("tunnel", tunnel);
      value.Set("sent", static_cast<double>(sent));
      value.Set("received", static_cast<double>(received));
      list.Set(list.Length(), value);
    });
    return list;
  }

  void espSpiSet(const Napi::CallbackInfo& info) {
    Plane& changed = plane(info);
    withErrors(info.Env(), [&] { changed.espSpiSet(idOf(info)); });
  }
  void espSpiDelete(const Napi::CallbackInfo& info) {
    plane(info).tables().espSpiDelete(idOf(info));
  }

  void routeSet(const Napi::CallbackInfo& info) {
    plane(info).routeSet(routeOf(objectOf(info[0], "route")));
  }
  void routeDelete(const Napi::CallbackInfo& info) {
    plane(info).routeDelete(routeOf(objectOf(info[0], "route")));
  }
  void overlaySet(const Napi::CallbackInfo& info) {
    plane(info).tables().overlaySet(overlayOf(objectOf(info[0], "overlay")));
  }
  void overlayDelete(const Napi::CallbackInfo& info) {
    const OverlaySpec spec = overlayOf(objectOf(info[0], "overlay"));
    plane(info).tables().overlayDelete(spec.prefix);
  }

  void relayLegSet(const Napi::CallbackInfo& info) {
    plane(info).tables().relayLegSet(relayLegOf(objectOf(info[0], "leg")));
  }
  void relayLegDelete(const Napi::CallbackInfo& info) {
    plane(info).tables().relayLegDelete(idOf(info));
  }
  void translationSet(const Napi::CallbackInfo& info) {
    plane(info).tables().translationSet(translationOf(objectOf(info[0], "translation")));
  }
  void translationDelete(const Napi::CallbackInfo& info) {
    plane(info).tables().translationDelete(translationOf(objectOf(info[0], "translation")));
  }

  void registrationKeysSet(const Napi::CallbackInfo& info) {
    std::vector<RegistrationKeySpec> keys;
    const auto list = info[0].As<Napi::Array>();
    for (u32 index = 0; index < list.Length(); index++) {
      const Napi::HandleScope scope(info.Env());
      keys.push_back(registrationKeyOf(objectOf(list.Get(index), "a registration key")));
    }
    plane(info).registrations().set(keys);
  }

  void handshakeCheckSet(const Napi::CallbackInfo& info) {
    plane(info).handshakes().set(handshakeKeysOf(objectOf(info[0], "handshake check")),
                                 monotonicMs());
  }

  void ownSpisChange(const Napi::CallbackInfo& info) {
    plane(info).ownSpis().change(spisOf(info[0]), spisOf(info[1]));
  }

  void setLocalAddresses(const Napi::CallbackInfo& info) {
    const auto list = info[0].As<Napi::Array>();
    std::vector<Address> addresses;
    for (u32 index = 0; index < list.Length(); index++) {
      addresses.push_back(
          addressFrom(info.Env(), list.Get(index).As<Napi::String>().Utf8Value()).address);
    }
    plane(info).tables().localAddressesSet(std::move(addresses));
  }

  Napi::Value inject(const Napi::CallbackInfo& info) {
    const Napi::Uint8Array packet = bytesOf(info[1]);
    const int error = plane(info).inject(packetPathOf(objectOf(info[0], "path")), packet.Data(),
                                         packet.ByteLength());
    return Napi::Number::New(info.Env(), error);
  }

  Napi::Value counters(const Napi::CallbackInfo& info) {
    u64 sums[Counters::kCount];
    plane(info).counters(sums);
    Napi::Object value = Napi::Object::New(info.Env());
    for (u32 name = 0; name < Counters::kCount; name++) {
      value.Set(kCounterNames[name], static_cast<double>(sums[name]));
    }
    return value;
  }

  Napi::Value tunnelCounters(const Napi::CallbackInfo& info) {
    const Tunnel* tunnel = plane(info).tables().tunnel(idOf(info));
    if (tunnel == nullptr) return info.Env().Undefined();
    Napi::Object value = trafficOf(info.Env(), *tunnel->counters);
    value.Set("mtu", static_cast<double>(tunnel->effectiveMtu()));
    return value;
  }

  // Packets that were refused count as transmitted: they were to be sent.
  Napi::Value tunnelTraffic(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Napi::Array list = Napi::Array::New(env);
    plane(info).tables().forEachTunnel([&](const Tunnel& tunnel) {
      const TunnelCounters& counters = *tunnel.counters;
      Napi::Object value = Napi::Object::New(env);
      value.Set("tunnel", tunnel.id);
      value.Set("transmitted", static_cast<double>(counters.transmitPackets.load() +
                                                   counters.refusedPackets.load()));
      value.Set("received", static_cast<double>(counters.receivePackets.load()));
      list.Set(list.Length(), value);
    });
    return list;
  }

  void armTrafficNotice(const Napi::CallbackInfo& info) { plane(info).armTrafficNotice(); }

  Napi::Value relayLegCounters(const Napi::CallbackInfo& info) {
    const RelayLeg* leg = plane(info).tables().relayLegs().find(idOf(info));
    if (leg == nullptr) return info.Env().Undefined();
    Napi::Object value = trafficOf(info.Env(), leg->state->counters);
    for (size_t reason = 0; reason < std::size(leg->state->drops); reason++) {
      value.Set(kRelayDropNames[reason], static_cast<double>(leg->state->drops[reason].load()));
    }
    return value;
  }

  static Napi::Object trafficOf(Napi::Env env, const TunnelCounters& counters) {
    Napi::Object value = Napi::Object::New(env);
    value.Set("transmit-packets", static_cast<double>(counters.transmitPackets.load()));
    value.Set("transmit-octets", static_cast<double>(counters.transmitOctets.load()));
    value.Set("receive-packets", static_cast<double>(counters.receivePackets.load()));
    value.Set("receive-octets", static_cast<double>(counters.receiveOctets.load()));
    value.Set("last-received-ms", static_cast<double>(counters.lastReceivedMs()));
    return value;
  }

  void close(const Napi::CallbackInfo&) { end(); }

  std::unique_ptr<Plane> plane_;
  Napi::ThreadSafeFunction wake_;
  Napi::FunctionReference punted_;
  Napi::FunctionReference roaming_;
  Napi::FunctionReference traffic_;
  Napi::FunctionReference unknown_;
};

}  // namespace

Napi::Function definePlane(Napi::Env env) { return PlaneObject::define(env); }

}  // namespace sojourn::js
