#pragma once
#include <napi.h>

namespace sojourn::js {

// The class Netlink: NETLINK_ROUTE requests and notifications (addon/netlink.h).
Napi::Function defineNetlink(Napi::Env env);

}  // namespace sojourn::js
