#pragma once
#include <napi.h>

namespace sojourn::js {

// The class ControlSockets: control datagrams without a plane (control/control-sockets.h).
Napi::Function defineControlSockets(Napi::Env env);

}  // namespace sojourn::js
