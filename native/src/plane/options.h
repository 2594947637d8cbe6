// The options of a plane, and the kernel features that were found.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace sojourn {

// The address of an inner packet that selects the tunnel to send it into. The ingress permit looks
// up the opposite address of received packets.
enum class TunnelLookup : u8 {
  byInnerSource,       // a mobile node or router: the prefixes are its own
  byInnerDestination,  // a home agent or relay: the prefixes are those of its nodes
};

struct Options {
  std::string device;
  TunnelLookup lookup = TunnelLookup::byInnerSource;
  int deviceMtu = 1460;
  u16 udpPort = 4191;
  int threads = 1;
  int mark = 0;
  bool raw = false;
  std::vector<std::string> linkDevices;
  // Punt Router and Neighbour Advertisements of every link.
  bool discovery = false;
  u32 holdMs = 50;
  // 0: no sealed tunnels. May be `udpPort`: the first octet then tells datagrams apart.
  u16 sealedPort = 0;
  // ESP in UDP over IPv4 (RFC 3948), by default 4500; 0: none. If another program has the port, a
  // mobile node uses a free one.
  u16 espPort = 0;
  // Packets from the TUN are translated in both directions; a translated packet without a tunnel
  // goes back to the TUN.
  bool translateOnDevice = false;
  // Packets from an endpoint without a tunnel are reported, at a limited rate.
  bool noticeUnknownEndpoints = false;

  // Tunnels may be optimized paths (net/optimized.h): packets from the TUN that have none are sent
  // as they are, and ICMPv6 errors about them are read from the tap.
  bool optimized = false;

  bool sharesPort() const { return sealedPort != 0 && sealedPort == udpPort; }
  // Pairs of packet threads; one thread alone does both halves.
  size_t pairs() const { return static_cast<size_t>(std::max(1, threads / 2)); }
  // The slot of JavaScript's thread among the AEAD contexts; a packet thread has that of its pair.
  unsigned ownSlot() const { return static_cast<unsigned>(pairs()); }
};

struct Features {
  bool tunSegmentation = false;
  bool tunUdpSegmentation = false;
  bool udpSegmentation = false;
  bool udpReceiveOffload = false;
};

}  // namespace sojourn
