#pragma once
#include "net/outer-path.h"
#include "tables/protection.h"

namespace sojourn {

// Descriptors that a pair of packet threads sends through; -1: the plane does not have it.
struct SendSockets {
  int udp = -1;
  u16 udpPort = 0;
  // By outer family: sealed[outer == 6]. Sealed and plain tunnels may share the IPv4 socket.
  int sealed[2] = {-1, -1};
  u16 sealedPort[2] = {0, 0};
  // ESP in UDP (RFC 3948).
  int esp = -1;
  u16 espPort = 0;
  // For IP-in-IP tunnels, by outer and inner family: raw[outer == 6][inner == 6].
  int raw[2][2] = {{-1, -1}, {-1, -1}};
  // Complete packets of any protocol (IPPROTO_RAW): fragments of outer packets, control packets.
  int complete4 = -1;
  int complete6 = -1;

  bool sharesSocket() const { return udp >= 0 && udp == sealed[0]; }
  // Of UDP tunnels.
  int udpSocketOf(const OuterPath& path, Protection protection) const {
    if (isEsp(protection)) return esp;
    return protection == Protection::sealed ? sealed[path.family == 6] : udp;
  }
  u16 portOf(const OuterPath& path, Protection protection) const {
    if (isEsp(protection)) return espPort;
    return protection == Protection::sealed ? sealedPort[path.family == 6] : udpPort;
  }
  int complete(int family) const { return family == 6 ? complete6 : complete4; }
};
inline const SendSockets kNoSockets{};

}  // namespace sojourn
