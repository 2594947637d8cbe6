#pragma once
#include <napi.h>

namespace sojourn::js {

// The class Plane: a data plane (plane/plane.h).
Napi::Function definePlane(Napi::Env env);

}  // namespace sojourn::js
