// The face that Node loads. The only file that knows Node: everything behind it is built and tested
// without.
#include <arpa/inet.h>
#include <napi.h>

#include <algorithm>
#include <memory>

#include "addon/netlink.h"
#include "addon/notify-socket.h"
#include "base/system-error.h"
#include "plane/plane.h"

namespace sojourn {
namespace {

// A mistake of our own TypeScript; the world's failures have their errno's name as `code`.
Napi::Error typeError(Napi::Env env, const std::string& what) {
  return Napi::TypeError::New(env, what);
}

const char* codeOf(int error) {
  const char* name = ::strerrorname_np(error);
  return name == nullptr ? "EUNKNOWN" : name;
}

template <class Body>
auto guarded(Napi::Env env, Body body) {
  try {
    return body();
  } catch (const SystemError& thrown) {
    Napi::Error error = Napi::Error::New(env, thrown.what());
    error.Set("code", codeOf(thrown.error));
    throw error;
  }
}

std::string textOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString()) throw typeError(object.Env(), std::string(name) + " is a string");
  return value.As<Napi::String>().Utf8Value();
}

double numberOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) throw typeError(object.Env(), std::string(name) + " is a number");
  return value.As<Napi::Number>().DoubleValue();
}

template <class T>
T integerOf(const Napi::Object& object, const char* name) {
  return static_cast<T>(static_cast<int64_t>(numberOf(object, name)));
}

Napi::Object objectOf(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) throw typeError(value.Env(), std::string(name) + " is an object");
  return value.As<Napi::Object>();
}

Napi::Uint8Array bytesOf(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw typeError(value.Env(), "bytes are a Uint8Array");
  }
  return value.As<Napi::Uint8Array>();
}

Napi::Uint8Array bytesFrom(Napi::Env env, const u8* data, size_t length) {
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, length);
  if (length > 0) std::memcpy(bytes.Data(), data, length);
  return bytes;
}

struct ParsedAddress {
  Address address;
  int family;
};

ParsedAddress addressFrom(Napi::Env env, const std::string& text) {
  ParsedAddress parsed;
  parsed.family = text.find(':') == std::string::npos ? 4 : 6;
  if (::inet_pton(parsed.family == 6 ? AF_INET6 : AF_INET, text.c_str(), parsed.address.bytes) ==
      1) {
    return parsed;
  }
  throw typeError(env, "no address: " + text);
}

ParsedAddress addressOf(const Napi::Object& object, const char* name) {
  return addressFrom(object.Env(), textOf(object, name));
}

std::string formatAddress(int family, const Address& address) {
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(family == 6 ? AF_INET6 : AF_INET, address.bytes, text, sizeof text) == nullptr
             ? ""
             : text;
}

u32 indexOf(const Napi::Object& object, const char* name) {
  const double index = numberOf(object, name);
  if (!(index >= 0 && index <= kSpiMask)) {
    throw typeError(object.Env(), "a relay index has 28 bits");
  }
  return static_cast<u32>(index);
}

u32 relayIndexOf(const Napi::Object& object) {
  return object.Get("relayIndex").IsUndefined() ? 0 : indexOf(object, "relayIndex");
}

IpPrefix prefixOf(const Napi::Object& object) {
  const Napi::Object prefix = objectOf(object.Get("prefix"), "prefix");
  const ParsedAddress address = addressOf(prefix, "address");
  const unsigned length = integerOf<unsigned>(prefix, "length");
  if (length > (address.family == 6 ? 128u : 32u)) throw typeError(object.Env(), "prefix length");
  return {address.family, length, address.address};
}

RouteSpec routeOf(const Napi::Object& object) {
  return {prefixOf(object), integerOf<u32>(object, "tunnel"), object.Get("peer").ToBoolean()};
}

OverlaySpec overlayOf(const Napi::Object& object) {
  OverlaySpec spec{prefixOf(object), {}};
  if (object.Get("address").IsUndefined()) return spec;
  const ParsedAddress own = addressOf(object, "address");
  if (own.family != spec.prefix.family) {
    throw typeError(object.Env(), "an overlay's address is of its prefix's family");
  }
  spec.address = own.address;
  return spec;
}

TranslationSpec translationOf(const Napi::Object& object) {
  const std::string side = textOf(object, "side");
  if (side != "near" && side != "far") {
    throw typeError(object.Env(), "no side of a translation: " + side);
  }
  const ParsedAddress inner = addressOf(object, "inner");
  const ParsedAddress outer = addressOf(object, "outer");
  if (inner.family == outer.family) {
    throw typeError(object.Env(), "a translation is between two families");
  }
  return {side == "far", static_cast<u8>(inner.family), inner.address, outer.address};
}

Options optionsOf(const Napi::Object& object) {
  Options options;
  options.device = textOf(object, "device");
  options.homeAgent = textOf(object, "side") == "home-agent";
  options.deviceMtu = integerOf<int>(object, "deviceMtu");
  options.udpPort = integerOf<u16>(object, "udpPort");
  options.threads = integerOf<int>(object, "threads");
  options.mark = integerOf<int>(object, "mark");
  options.raw = object.Get("raw").ToBoolean();
  options.holdMs = integerOf<u32>(object, "holdMs");
  options.sealedPort =
      object.Get("sealedPort").IsUndefined() ? u16{0} : integerOf<u16>(object, "sealedPort");
  options.translateOnDevice = object.Get("translateOnDevice").ToBoolean();
  const auto devices = object.Get("linkDevices").As<Napi::Array>();
  for (u32 index = 0; index < devices.Length(); index++) {
    options.linkDevices.push_back(devices.Get(index).As<Napi::String>().Utf8Value());
  }
  return options;
}

Encapsulation encapsulationOf(const Napi::Object& object) {
  const std::string name = textOf(object, "encapsulation");
  if (name == "udp") return Encapsulation::udp;
  if (name == "sealed") return Encapsulation::sealed;
  if (name == "ipip") return Encapsulation::ipip;
  throw typeError(object.Env(), "no encapsulation: " + name);
}

// Of a leg or tunnel; `otherwise`: what is so where nothing is said.
PlaceSpec placeOf(const Napi::Object& object, bool otherwise) {
  PlaceSpec spec;
  const Napi::Value validated = object.Get("validated");
  spec.validated = validated.IsUndefined() ? otherwise : validated.ToBoolean().Value();
  if (object.Get("amplificationLimit").IsUndefined()) return spec;
  const Napi::Object account = objectOf(object.Get("amplificationLimit"), "amplificationLimit");
  spec.account = integerOf<u32>(account, "number");
  spec.creditOctets = integerOf<u32>(account, "creditOctets");
  return spec;
}

TunnelSpec tunnelOf(const Napi::Object& object) {
  TunnelSpec spec;
  spec.id = integerOf<u32>(object, "id");
  spec.encapsulation = encapsulationOf(object);
  const ParsedAddress local = addressOf(object, "local");
  const ParsedAddress remote = addressOf(object, "remote");
  if (local.family != remote.family) {
    throw typeError(object.Env(), "outer addresses are of one family");
  }
  if (spec.encapsulation == Encapsulation::udp && local.family == 6) {
    throw typeError(object.Env(), "UDP tunnels are over IPv4");
  }
  spec.family = static_cast<u8>(local.family);
  spec.local = local.address;
  spec.remote = remote.address;
  spec.mtu = integerOf<u16>(object, "mtu");
  const bool udp = spec.encapsulation != Encapsulation::ipip;
  spec.localPort = udp ? integerOf<u16>(object, "localPort") : u16{0};
  spec.remotePort = udp ? integerOf<u16>(object, "remotePort") : u16{0};
  if (spec.encapsulation != Encapsulation::sealed) return spec;
  spec.relayIndex = relayIndexOf(object);
  spec.place = placeOf(object, true);
  return spec;
}

// No error here shows the key.
KeySpec keyOf(const Napi::Value& value) {
  const Napi::Object object = objectOf(value, "a key");
  KeySpec spec;
  const double spi = numberOf(object, "spi");
  if (!(spi >= 0 && spi <= kSpiMask)) throw typeError(object.Env(), "an SPI has 28 bits");
  spec.spi = static_cast<u32>(spi);
  const std::string cipher = textOf(object, "cipher");
  if (cipher != "aes-128-gcm" && cipher != "chacha20-poly1305") {
    throw typeError(object.Env(), "no cipher: " + cipher);
  }
  spec.key.cipher = cipher == "aes-128-gcm" ? Cipher::aes128Gcm : Cipher::chacha20Poly1305;
  const Napi::Uint8Array key = bytesOf(object.Get("key"));
  if (key.ByteLength() != keyLengthOf(spec.key.cipher)) {
    throw typeError(object.Env(), "a key of another length than the cipher's");
  }
  std::memcpy(spec.key.bytes, key.Data(), key.ByteLength());
  return spec;
}

AssociationsSpec associationsOf(const Napi::Object& object) {
  AssociationsSpec spec;
  spec.tunnel = integerOf<u32>(object, "tunnel");
  if (!object.Get("send").IsUndefined()) spec.send = keyOf(object.Get("send"));
  const auto receive = object.Get("receive").As<Napi::Array>();
  for (u32 index = 0; index < receive.Length(); index++) {
    spec.receive.push_back(keyOf(receive.Get(index)));
  }
  return spec;
}

RelayLegSpec relayLegOf(const Napi::Object& object) {
  RelayLegSpec spec;
  spec.index = indexOf(object, "index");
  if (spec.index == 0) throw typeError(object.Env(), "a leg has an index");
  spec.other = indexOf(object, "other");
  const ParsedAddress local = addressOf(object, "local");
  const ParsedAddress remote = addressOf(object, "remote");
  if (local.family != remote.family) {
    throw typeError(object.Env(), "the addresses of a leg are of one family");
  }
  spec.family = static_cast<u8>(local.family);
  spec.local = local.address;
  spec.remote = remote.address;
  spec.remotePort = integerOf<u16>(object, "remotePort");
  spec.place = placeOf(object, false);
  spec.rateKilobits =
      static_cast<u32>(std::clamp(numberOf(object, "rateKilobits"), 0.0, 4294967295.0));
  return spec;
}

ControlPath pathOf(const Napi::Object& object) {
  ControlPath path;
  const std::string kind = textOf(object, "kind");
  if (kind == "udp") {
    path.kind = PathKind::udp;
    path.local = addressOf(object, "local").address;
    path.remote = addressOf(object, "remote").address;
    path.localPort = integerOf<u16>(object, "localPort");
    path.remotePort = integerOf<u16>(object, "remotePort");
  } else if (kind == "datagram") {
    path.kind = PathKind::datagram;
    const ParsedAddress remote = addressOf(object, "remote");
    const ParsedAddress local = addressOf(object, "local");
    if (local.family != remote.family) {
      throw typeError(object.Env(), "the addresses of a datagram are of one family");
    }
    path.family = static_cast<u8>(remote.family);
    path.local = local.address;
    path.remote = remote.address;
    path.remotePort = integerOf<u16>(object, "remotePort");
    path.relayIndex = relayIndexOf(object);
  } else if (kind == "tunnel") {
    path.kind = PathKind::tunnel;
    path.tunnel = integerOf<u32>(object, "tunnel");
  } else if (kind == "link") {
    path.kind = PathKind::link;
    path.device = textOf(object, "device");
    path.arp = textOf(object, "protocol") == "arp";
    const Napi::Uint8Array linkAddress = bytesOf(object.Get("linkAddress"));
    if (linkAddress.ByteLength() != 6) {
      throw typeError(object.Env(), "a link address has six octets");
    }
    std::memcpy(path.linkAddress, linkAddress.Data(), 6);
  }
  return path;
}

void setEndpoints(Napi::Object& value, const ControlPath& path) {
  value.Set("local", formatAddress(path.family, path.local));
  value.Set("localPort", path.localPort);
  value.Set("remote", formatAddress(path.family, path.remote));
  value.Set("remotePort", path.remotePort);
}

Napi::Object pathValue(Napi::Env env, const ControlPath& path) {
  Napi::Object value = Napi::Object::New(env);
  switch (path.kind) {
    case PathKind::native:
      value.Set("kind", "ipv6");
      break;
    case PathKind::udp:
      value.Set("kind", "udp");
      setEndpoints(value, path);
      break;
    case PathKind::datagram:
      value.Set("kind", "datagram");
      setEndpoints(value, path);
      value.Set("relayIndex", path.relayIndex);
      break;
    case PathKind::roaming:
      value.Set("tunnel", path.tunnel);
      setEndpoints(value, path);
      value.Set("relayIndex", path.relayIndex);
      break;
    case PathKind::tunnel:
      value.Set("kind", "tunnel");
      value.Set("tunnel", path.tunnel);
      break;
    case PathKind::link:
      value.Set("kind", "link");
      value.Set("device", path.device);
      value.Set("protocol", path.arp ? "arp" : "ipv6");
      value.Set("linkAddress", bytesFrom(env, path.linkAddress, 6));
      break;
  }
  return value;
}

class PlaneFace : public Napi::ObjectWrap<PlaneFace> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Plane",
                       {InstanceMethod("features", &PlaneFace::features),
                        InstanceMethod("deviceIndex", &PlaneFace::deviceIndex),
                        InstanceMethod("tunnelSet", &PlaneFace::tunnelSet),
                        InstanceMethod("tunnelDelete", &PlaneFace::tunnelDelete),
                        InstanceMethod("routeSet", &PlaneFace::routeSet),
                        InstanceMethod("routeDelete", &PlaneFace::routeDelete),
                        InstanceMethod("overlaySet", &PlaneFace::overlaySet),
                        InstanceMethod("overlayDelete", &PlaneFace::overlayDelete),
                        InstanceMethod("translationSet", &PlaneFace::translationSet),
                        InstanceMethod("translationDelete", &PlaneFace::translationDelete),
                        InstanceMethod("associationsSet", &PlaneFace::associationsSet),
                        InstanceMethod("associationsDelete", &PlaneFace::associationsDelete),
                        InstanceMethod("relayLegSet", &PlaneFace::relayLegSet),
                        InstanceMethod("relayLegDelete", &PlaneFace::relayLegDelete),
                        InstanceMethod("relayLegCounters", &PlaneFace::relayLegCounters),
                        InstanceMethod("setLocalAddresses", &PlaneFace::setLocalAddresses),
                        InstanceMethod("inject", &PlaneFace::inject),
                        InstanceMethod("counters", &PlaneFace::counters),
                        InstanceMethod("tunnelCounters", &PlaneFace::tunnelCounters),
                        InstanceMethod("close", &PlaneFace::close)});
  }

  // (options, handler of one punt, handler of one roaming notice)
  explicit PlaneFace(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PlaneFace>(info) {
    const Options options = optionsOf(objectOf(info[0], "options"));
    roaming_ = Napi::Persistent(info[2].As<Napi::Function>());
    wake_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "plane", 0, 1);
    try {
      guarded(info.Env(), [&] { plane_ = std::make_unique<Plane>(options, [this] { wakeUp(); }); });
    } catch (...) {
      wake_.Release();
      throw;
    }
  }

  ~PlaneFace() override { end(); }

 private:
  // One wake-up hands up everything that waits.
  void wakeUp() {
    wake_.NonBlockingCall([this](Napi::Env env, Napi::Function handler) {
      if (plane_ == nullptr) return;
      for (const ControlPacket& punt : plane_->takePunts()) {
        const Napi::HandleScope scope(env);
        const Napi::Object path = pathValue(env, punt.path);
        if (punt.path.kind == PathKind::roaming) {
          roaming_.Call({path});
        } else {
          Napi::Object value = Napi::Object::New(env);
          value.Set("path", path);
          value.Set("packet", bytesFrom(env, punt.packet.data(), punt.packet.size()));
          handler.Call({value});
        }
        if (plane_ == nullptr) return;
      }
    });
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
  void tunnelSet(const Napi::CallbackInfo& info) {
    plane(info).tunnelSet(tunnelOf(objectOf(info[0], "tunnel")));
  }
  void tunnelDelete(const Napi::CallbackInfo& info) {
    plane(info).tunnelDelete(info[0].ToNumber().Uint32Value());
  }

  void associationsSet(const Napi::CallbackInfo& info) {
    plane(info).associationsSet(associationsOf(objectOf(info[0], "associations")));
  }
  void associationsDelete(const Napi::CallbackInfo& info) {
    plane(info).tables().associationsDelete(info[0].ToNumber().Uint32Value());
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
    plane(info).tables().relayLegDelete(info[0].ToNumber().Uint32Value());
  }
  void translationSet(const Napi::CallbackInfo& info) {
    plane(info).tables().translationSet(translationOf(objectOf(info[0], "translation")));
  }
  void translationDelete(const Napi::CallbackInfo& info) {
    plane(info).tables().translationDelete(translationOf(objectOf(info[0], "translation")));
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
    const int error =
        plane(info).inject(pathOf(objectOf(info[0], "path")), packet.Data(), packet.ByteLength());
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
    const Tunnel* tunnel = plane(info).tables().tunnel(info[0].ToNumber().Uint32Value());
    if (tunnel == nullptr) return info.Env().Undefined();
    Napi::Object value = trafficOf(info.Env(), *tunnel->counters);
    value.Set("mtu", static_cast<double>(tunnel->effectiveMtu()));
    return value;
  }

  Napi::Value relayLegCounters(const Napi::CallbackInfo& info) {
    const RelayLeg* leg = plane(info).tables().relayLegs().find(info[0].ToNumber().Uint32Value());
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
    value.Set("last-received-ms", static_cast<double>(counters.lastReceivedMs.load()));
    return value;
  }

  void close(const Napi::CallbackInfo&) { end(); }

  std::unique_ptr<Plane> plane_;
  Napi::ThreadSafeFunction wake_;
  Napi::FunctionReference roaming_;
};

class NetlinkFace : public Napi::ObjectWrap<NetlinkFace> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Netlink",
                       {InstanceMethod("request", &NetlinkFace::request),
                        InstanceMethod("subscribe", &NetlinkFace::subscribe),
                        InstanceMethod("close", &NetlinkFace::close)});
  }

  explicit NetlinkFace(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NetlinkFace>(info) {
    guarded(info.Env(), [&] { netlink_ = std::make_unique<Netlink>(); });
  }
  ~NetlinkFace() override { end(); }

 private:
  struct Notification {
    Datagrams datagrams;
    bool overrun;
  };

  static Napi::Array arrayOf(Napi::Env env, const Datagrams& datagrams) {
    Napi::Array array = Napi::Array::New(env, datagrams.size());
    u32 index = 0;
    for (const std::vector<u8>& datagram : datagrams) {
      array[index++] = bytesFrom(env, datagram.data(), datagram.size());
    }
    return array;
  }

  Netlink& netlink(const Napi::CallbackInfo& info) {
    if (netlink_ == nullptr) throw typeError(info.Env(), "the netlink socket is closed");
    return *netlink_;
  }

  void end() {
    if (netlink_ == nullptr) return;
    netlink_.reset();
    if (subscribed_) notify_.Release();
  }

  Napi::Value request(const Napi::CallbackInfo& info) {
    const Napi::Uint8Array message = bytesOf(info[0]);
    return guarded(info.Env(), [&]() -> Napi::Value {
      return arrayOf(info.Env(), netlink(info).request(message.Data(), message.ByteLength()));
    });
  }

  void subscribe(const Napi::CallbackInfo& info) {
    const auto list = info[0].As<Napi::Array>();
    std::vector<int> groups;
    for (u32 index = 0; index < list.Length(); index++) {
      groups.push_back(list.Get(index).As<Napi::Number>().Int32Value());
    }
    Netlink& netlink = this->netlink(info);
    if (subscribed_) throw typeError(info.Env(), "subscribe once");
    notify_ =
        Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "netlink", 0, 1);
    subscribed_ = true;
    guarded(info.Env(), [&] {
      netlink.subscribe(groups, [this](Datagrams&& datagrams, bool overrun) {
        notify(std::move(datagrams), overrun);
      });
    });
  }

  void notify(Datagrams&& datagrams, bool overrun) {
    auto* notification = new Notification{std::move(datagrams), overrun};
    const napi_status status = notify_.NonBlockingCall(
        notification, [](Napi::Env env, Napi::Function handler, Notification* data) {
          const std::unique_ptr<Notification> owned(data);
          handler.Call({arrayOf(env, owned->datagrams), Napi::Boolean::New(env, owned->overrun)});
        });
    if (status != napi_ok) delete notification;
  }

  void close(const Napi::CallbackInfo&) { end(); }

  std::unique_ptr<Netlink> netlink_;
  Napi::ThreadSafeFunction notify_;
  bool subscribed_ = false;
};

void notify(const Napi::CallbackInfo& info) {
  if (!info[0].IsString() || !info[1].IsString()) {
    throw typeError(info.Env(), "socket and text are strings");
  }
  guarded(info.Env(), [&] {
    sendToNotifySocket(info[0].As<Napi::String>().Utf8Value(),
                       info[1].As<Napi::String>().Utf8Value());
  });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("Plane", PlaneFace::define(env));
  exports.Set("Netlink", NetlinkFace::define(env));
  exports.Set("notify", Napi::Function::New(env, notify, "notify"));
  return exports;
}

}  // namespace
}  // namespace sojourn

static Napi::Object initializeAddon(Napi::Env env, Napi::Object exports) {
  return sojourn::initialize(env, exports);
}
NODE_API_MODULE(sojourn, initializeAddon)
