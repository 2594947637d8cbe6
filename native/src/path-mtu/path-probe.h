// Probes of a path's MTU and their answers: inner packets between two planes. They are ICMPv6
// echoes between two link-local addresses that no host has, so that another implementation drops
// them as packets that do not belong to the tunnel.
#pragma once
#include <vector>

#include "net/packet.h"

namespace sojourn {

struct PathProbe {
  bool answer = false;
  // Octets of the outer packet.
  u16 size = 0;
  // An attacker that does not see the path cannot guess it.
  u64 nonce = 0;
};

// An inner packet of `length` octets, at least kPathProbeMinimum.
constexpr size_t kPathProbeMinimum = kIpv6Header + 8 + 8;
std::vector<u8> writePathProbe(const PathProbe& probe, size_t length);

// False if the packet is none.
bool readPathProbe(const PacketView& view, PathProbe& probe);

}  // namespace sojourn
