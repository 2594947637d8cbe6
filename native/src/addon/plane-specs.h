// The plane's options and specs, read from JavaScript objects (src/runtime/ports.ts and
// src/engine/contract).
#pragma once
#include "addon/values.h"
#include "control/handshake-check.h"
#include "control/registration-check.h"
#include "plane/options.h"
#include "plane/punt-queue.h"
#include "tables/tables.h"

namespace sojourn::js {

Options optionsOf(const Napi::Object& object);
TunnelSpec tunnelOf(const Napi::Object& object);
SealingKeysSpec sealingKeysOf(const Napi::Object& object);
EspKeysSpec espKeysOf(const Napi::Object& object);
RelayLegSpec relayLegOf(const Napi::Object& object);
RouteSpec routeOf(const Napi::Object& object);
OverlaySpec overlayOf(const Napi::Object& object);
TranslationSpec translationOf(const Napi::Object& object);
HandshakeKeys handshakeKeysOf(const Napi::Object& object);
std::vector<u32> spisOf(const Napi::Value& value);
RegistrationKeySpec registrationKeyOf(const Napi::Object& object);
PacketPath packetPathOf(const Napi::Object& object);
Napi::Object packetPathValue(Napi::Env env, const PacketPath& path);

}  // namespace sojourn::js
