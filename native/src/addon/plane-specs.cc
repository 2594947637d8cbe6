#include "addon/plane-specs.h"

#include <algorithm>

#include "plane/shared.h"

namespace sojourn::js {
namespace {

u32 indexOf(const Napi::Object& object, const char* name) {
  const double index = numberOf(object, name);
  if (!(index >= 0 && index <= kSpiMask)) {
    throw typeError(object.Env(), std::string(name) + " has more than 28 bits");
  }
  return static_cast<u32>(index);
}

u32 relayIndexOf(const Napi::Object& object) {
  return has(object, "relayIndex") ? indexOf(object, "relayIndex") : 0;
}

IpPrefix prefixOf(const Napi::Object& object) {
  const Napi::Object prefix = objectOf(object.Get("prefix"), "prefix");
  const ParsedAddress address = addressOf(prefix, "address");
  const unsigned length = integerOf<unsigned>(prefix, "length");
  if (length > (address.family == 6 ? 128u : 32u)) {
    throw typeError(object.Env(), "the prefix length exceeds the address length");
  }
  return {.family = address.family, .length = length, .address = address.address};
}

TunnelLookup lookupOf(const Napi::Object& object) {
  const std::string name = textOf(object, "lookup");
  if (name == "inner-source") return TunnelLookup::byInnerSource;
  if (name == "inner-destination") return TunnelLookup::byInnerDestination;
  throw typeError(object.Env(), "unknown lookup: " + name);
}

// --- tunnels and legs ---

Carrier carrierOf(const Napi::Object& object) {
  const std::string name = textOf(object, "carrier");
  if (name == "ip") return Carrier::ip;
  if (name == "udp") return Carrier::udp;
  if (name == "optimized") return Carrier::optimized;
  throw typeError(object.Env(), "unknown carrier: " + name);
}

Protection espAlgorithmOf(const Napi::Object& object) {
  const std::string name = textOf(object, "algorithm");
  if (name == "aes-gcm-16") return Protection::espGcm;
  if (name == "aes-cbc-hmac-sha256-128") return Protection::espCbc;
  if (name == "null-hmac-sha256-128") return Protection::espNull;
  throw typeError(object.Env(), "unknown algorithm of ESP: " + name);
}

Protection protectionOf(const Napi::Object& object) {
  const std::string name = textOf(object, "protection");
  if (name == "none") return Protection::none;
  if (name == "sealed") return Protection::sealed;
  if (name == "esp") return espAlgorithmOf(objectOf(object.Get("esp"), "esp"));
  throw typeError(object.Env(), "unknown protection: " + name);
}

OuterPath outerPathOf(const Napi::Object& object) {
  const ParsedAddress local = addressOf(object, "local");
  const ParsedAddress remote = addressOf(object, "remote");
  if (local.family != remote.family) {
    throw typeError(object.Env(), "the outer addresses are not of one family");
  }
  const Carrier carrier = carrierOf(object);
  const bool udp = carrier == Carrier::udp;
  return {.carrier = carrier,
          .family = static_cast<u8>(local.family),
          .remotePort = udp ? integerOf<u16>(object, "remotePort") : u16{0},
          .relayIndex = udp ? relayIndexOf(object) : 0,
          .local = local.address,
          .remote = remote.address};
}

// The members of an outer path that say whether its peer address is validated.
PeerValidation peerOf(const Napi::Object& object) {
  PeerValidation peer;
  if (has(object, "validated")) peer.validated = object.Get("validated").ToBoolean().Value();
  if (!has(object, "amplificationLimit")) return peer;
  const Napi::Object limit = objectOf(object.Get("amplificationLimit"), "amplificationLimit");
  peer.group = integerOf<u32>(limit, "number");
  peer.creditOctets = integerOf<u32>(limit, "creditOctets");
  return peer;
}

// No error may show the key.
SealingKey sealingKeyOf(const Napi::Value& value) {
  const Napi::Object object = objectOf(value, "a key");
  SealingKey sealing;
  sealing.spi = indexOf(object, "spi");
  const std::string cipher = textOf(object, "cipher");
  const bool aes = cipher == "aes-128-gcm";
  if (!aes && cipher != "chacha20-poly1305") {
    throw typeError(object.Env(), "unknown cipher: " + cipher);
  }
  sealing.key.cipher = aes ? Cipher::aes128Gcm : Cipher::chacha20Poly1305;
  const Napi::Uint8Array key = bytesOf(object.Get("key"));
  if (key.ByteLength() != keyLengthOf(sealing.key.cipher)) {
    throw typeError(object.Env(), "the key does not have the cipher's length");
  }
  std::memcpy(sealing.key.bytes, key.Data(), key.ByteLength());
  return sealing;
}

// No error may show the key.
EspKey espKeyOf(const Napi::Object& association, const Napi::Object& direction) {
  EspKey key;
  key.algorithm = espAlgorithmOf(association);
  key.extended = association.Get("extendedSequenceNumbers").ToBoolean();
  const Napi::Uint8Array octets = bytesOf(direction.Get("key"));
  const size_t length = octets.ByteLength();
  key.length = static_cast<u8>(length > EspKey::kLargest ? 0 : length);
  if (!key.isSound()) {
    throw typeError(association.Env(), "the key does not have a length of the algorithm");
  }
  std::memcpy(key.bytes, octets.Data(), length);
  return key;
}

u64 sequenceOf(const Napi::Object& object, const char* name) {
  const double value = numberOf(object, name);
  if (!(value >= 0 && value < 0x1p40)) {
    throw typeError(object.Env(), std::string(name) + " has more than 40 bits");
  }
  return static_cast<u64>(value);
}

// --- paths of control packets ---

void readEndpoints(const Napi::Object& object, PacketPath& path) {
  const ParsedAddress local = addressOf(object, "local");
  const ParsedAddress remote = addressOf(object, "remote");
  if (local.family != remote.family) {
    throw typeError(object.Env(), "the addresses of a path are not of one family");
  }
  path.family = static_cast<u8>(remote.family);
  path.local = local.address;
  path.remote = remote.address;
  path.remotePort = integerOf<u16>(object, "remotePort");
}

void readLink(const Napi::Object& object, PacketPath& path) {
  path.device = textOf(object, "device");
  path.arp = textOf(object, "protocol") == "arp";
  const Napi::Uint8Array linkAddress = bytesOf(object.Get("linkAddress"));
  if (linkAddress.ByteLength() != sizeof path.linkAddress) {
    throw typeError(object.Env(), "a link address does not have six octets");
  }
  std::memcpy(path.linkAddress, linkAddress.Data(), sizeof path.linkAddress);
}

void setEndpoints(Napi::Object& value, const PacketPath& path) {
  value.Set("local", formatAddress(path.family, path.local));
  value.Set("localPort", path.localPort);
  value.Set("remote", formatAddress(path.family, path.remote));
  value.Set("remotePort", path.remotePort);
}

}  // namespace

Options optionsOf(const Napi::Object& object) {
  Options options;
  options.device = textOf(object, "device");
  options.lookup = lookupOf(object);
  options.deviceMtu = integerOf<int>(object, "deviceMtu");
  options.udpPort = integerOf<u16>(object, "udpPort");
  options.threads = integerOf<int>(object, "threads");
  options.mark = integerOf<int>(object, "mark");
  options.raw = object.Get("raw").ToBoolean();
  options.holdMs = integerOf<u32>(object, "holdMs");
  if (has(object, "sealedPort")) options.sealedPort = integerOf<u16>(object, "sealedPort");
  if (has(object, "espPort")) options.espPort = integerOf<u16>(object, "espPort");
  options.translateOnDevice = object.Get("translateOnDevice").ToBoolean();
  options.optimized = object.Get("optimized").ToBoolean();
  options.noticeUnknownEndpoints = object.Get("noticeUnknownEndpoints").ToBoolean();
  const auto devices = object.Get("linkDevices").As<Napi::Array>();
  for (u32 index = 0; index < devices.Length(); index++) {
    options.linkDevices.push_back(devices.Get(index).As<Napi::String>().Utf8Value());
  }
  options.discovery = object.Get("discovery").ToBoolean();
  return options;
}

TunnelSpec tunnelOf(const Napi::Object& object) {
  const Napi::Object path = objectOf(object.Get("path"), "path");
  TunnelSpec spec;
  spec.id = integerOf<u32>(object, "id");
  spec.mtu = integerOf<u16>(object, "mtu");
  spec.protection = protectionOf(object);
  spec.path = outerPathOf(path);
  const bool udp = spec.path.carrier == Carrier::udp;
  if (spec.protection == Protection::sealed) {
    if (!udp) throw typeError(object.Env(), "a sealed tunnel has no UDP carrier");
    spec.peer = peerOf(path);
    return spec;
  }
  if (isEsp(spec.protection)) {
    if (udp != (spec.path.family == 4)) {
      throw typeError(object.Env(), "ESP is over IPv6 without UDP, or over IPv4 with UDP");
    }
    spec.peer = peerOf(path);
    spec.path.relayIndex = 0;
    return spec;
  }
  if (spec.path.carrier == Carrier::optimized && spec.path.family != 6) {
    throw typeError(object.Env(), "an optimized path is not over IPv6");
  }
  if (udp && spec.path.family == 6) {
    throw typeError(object.Env(), "an unprotected UDP tunnel is not over IPv4");
  }
  spec.path.relayIndex = 0;
  return spec;
}

SealingKeysSpec sealingKeysOf(const Napi::Object& object) {
  SealingKeysSpec spec;
  spec.tunnel = integerOf<u32>(object, "tunnel");
  if (has(object, "send")) spec.send = sealingKeyOf(object.Get("send"));
  const auto receive = object.Get("receive").As<Napi::Array>();
  for (u32 index = 0; index < receive.Length(); index++) {
    spec.receive.push_back(sealingKeyOf(receive.Get(index)));
  }
  return spec;
}

EspKeysSpec espKeysOf(const Napi::Object& object) {
  EspKeysSpec spec;
  spec.tunnel = integerOf<u32>(object, "tunnel");
  const Napi::Object receive = objectOf(object.Get("receive"), "receive");
  spec.receive.spi = integerOf<u32>(receive, "spi");
  spec.receive.key = espKeyOf(object, receive);
  spec.receive.after = sequenceOf(receive, "after");
  if (!has(object, "send")) return spec;
  const Napi::Object direction = objectOf(object.Get("send"), "send");
  EspKeysSpec::Send send;
  send.spi = integerOf<u32>(direction, "spi");
  send.key = espKeyOf(object, direction);
  send.epoch = integerOf<u32>(direction, "epoch");
  send.from = sequenceOf(direction, "from");
  send.until = sequenceOf(direction, "until");
  spec.send = send;
  return spec;
}

RelayLegSpec relayLegOf(const Napi::Object& object) {
  RelayLegSpec spec;
  spec.index = indexOf(object, "index");
  if (spec.index == 0) throw typeError(object.Env(), "the index of a leg is 0");
  spec.other = indexOf(object, "other");
  const Napi::Object path = objectOf(object.Get("path"), "path");
  spec.path = outerPathOf(path);
  if (spec.path.carrier != Carrier::udp) throw typeError(object.Env(), "a leg has no UDP carrier");
  spec.peer = peerOf(path);
  const double rate = numberOf(object, "rateKilobits");
  spec.rateKilobits = static_cast<u32>(std::clamp(rate, 0.0, 4294967295.0));
  return spec;
}

RouteSpec routeOf(const Napi::Object& object) {
  return {.prefix = prefixOf(object),
          .tunnel = integerOf<u32>(object, "tunnel"),
          .peer = object.Get("peer").ToBoolean()};
}

OverlaySpec overlayOf(const Napi::Object& object) {
  OverlaySpec spec{.prefix = prefixOf(object), .address = {}};
  if (!has(object, "address")) return spec;
  const ParsedAddress own = addressOf(object, "address");
  if (own.family != spec.prefix.family) {
    throw typeError(object.Env(), "the overlay's address and prefix are not of one family");
  }
  spec.address = own.address;
  return spec;
}

TranslationSpec translationOf(const Napi::Object& object) {
  const std::string side = textOf(object, "side");
  if (side != "near" && side != "far") {
    throw typeError(object.Env(), "unknown side of a translation: " + side);
  }
  const ParsedAddress inner = addressOf(object, "inner");
  const ParsedAddress outer = addressOf(object, "outer");
  if (inner.family == outer.family) {
    throw typeError(object.Env(), "the addresses of a translation are of one family");
  }
  return {.far = side == "far",
          .family = static_cast<u8>(inner.family),
          .inner = inner.address,
          .outer = outer.address};
}

HandshakeKeys handshakeKeysOf(const Napi::Object& object) {
  const auto keyOf = [](const Napi::Value& value) {
    const Napi::Uint8Array key = bytesOf(value);
    return ShortHmac(key.Data(), key.ByteLength());
  };
  HandshakeKeys keys{.mac1 = keyOf(object.Get("mac1Key")),
                     .cookieSecrets = {},
                     .perSecond = integerOf<u32>(object, "perSecond")};
  const Napi::Uint8Array cookieKey = bytesOf(object.Get("cookieKey"));
  std::memcpy(keys.cookieKey, cookieKey.Data(),
              std::min<size_t>(cookieKey.ByteLength(), sizeof keys.cookieKey));
  const auto secrets = object.Get("cookieSecrets").As<Napi::Array>();
  for (u32 index = 0; index < secrets.Length(); index++) {
    keys.cookieSecrets.push_back(keyOf(secrets.Get(index)));
  }
  return keys;
}

std::vector<u32> spisOf(const Napi::Value& value) {
  const auto list = value.As<Napi::Array>();
  std::vector<u32> spis(list.Length());
  for (u32 index = 0; index < spis.size(); index++) {
    spis[index] = list.Get(index).ToNumber().Uint32Value();
  }
  return spis;
}

RegistrationKeySpec registrationKeyOf(const Napi::Object& object) {
  const Napi::Uint8Array octets = bytesOf(object.Get("key"));
  RegistrationKeySpec key{.spi = integerOf<u32>(object, "spi"),
                          .sha256 = textOf(object, "algorithm") == "hmac-sha256-128",
                          .key = {octets.Data(), octets.Data() + octets.ByteLength()},
                          .identifier = {},
                          .homeAddresses = {}};
  if (object.Get("identifier").IsString()) key.identifier = textOf(object, "identifier");
  const auto homes = object.Get("homeAddresses").As<Napi::Array>();
  for (u32 index = 0; index < homes.Length(); index++) {
    const std::string home = homes.Get(index).As<Napi::String>().Utf8Value();
    key.homeAddresses.push_back(addressFrom(object.Env(), home).address);
  }
  return key;
}

PacketPath packetPathOf(const Napi::Object& object) {
  PacketPath path;
  const std::string kind = textOf(object, "kind");
  if (kind == "udp") {
    // IPv4 only.
    path.kind = PathKind::udp;
    path.local = addressOf(object, "local").address;
    path.remote = addressOf(object, "remote").address;
    path.localPort = integerOf<u16>(object, "localPort");
    path.remotePort = integerOf<u16>(object, "remotePort");
  } else if (kind == "datagram") {
    path.kind = PathKind::datagram;
    readEndpoints(object, path);
    path.relayIndex = relayIndexOf(object);
  } else if (kind == "tunnel") {
    path.kind = PathKind::tunnel;
    path.tunnel = integerOf<u32>(object, "tunnel");
  } else if (kind == "link") {
    path.kind = PathKind::link;
    readLink(object, path);
  }
  return path;
}

Napi::Object packetPathValue(Napi::Env env, const PacketPath& path) {
  Napi::Object value = Napi::Object::New(env);
  switch (path.kind) {
    case PathKind::ipv6:
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
    case PathKind::traffic:
      break;
    case PathKind::unknown:
      value.Set("carrier", path.udp ? "udp" : "ip");
      setEndpoints(value, path);
      value.Set("innerSource", formatAddress(path.innerFamily, path.innerSource));
      break;
    case PathKind::tunnel:
      value.Set("kind", "tunnel");
      value.Set("tunnel", path.tunnel);
      break;
    case PathKind::link:
      value.Set("kind", "link");
      value.Set("device", path.device);
      value.Set("protocol", path.arp ? "arp" : "ipv6");
      value.Set("linkAddress", bytesFrom(env, path.linkAddress, sizeof path.linkAddress));
      break;
  }
  return value;
}

}  // namespace sojourn::js
