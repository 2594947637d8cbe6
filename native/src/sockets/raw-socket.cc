#include "sockets/raw-socket.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cerrno>

#include "base/system-error.h"
#include "sockets/udp-socket.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
#ifndef IPV6_HDRINCL
#define IPV6_HDRINCL 36
#endif

namespace sojourn {
namespace {

constexpr int kBufferOctets = 8 << 20;

template <size_t N>
void attachFilter(int fd, sock_filter (&code)[N]) {
  const sock_fprog program{static_cast<unsigned short>(N), code};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    throwSystemError("packet filter of a socket");
  }
}

constexpr u32 ancillary(int field) { return static_cast<u32>(SKF_AD_OFF + field); }

// Offsets from the IP header, independent of the link header.
constexpr u32 network(int offset) { return static_cast<u32>(SKF_NET_OFF + offset); }

constexpr u32 kAll = 0x40000;

// RFC 4861 §6.1.2, §7.1.2: no router forwarded the packet.
constexpr u32 kDiscoveryHopLimit = 255;
constexpr u32 kRouterAdvertisement = 134;
constexpr u32 kNeighbourAdvertisement = 136;

}  // namespace

// PMTUDISC_INTERFACE: the kernel's cache of path MTUs, which forged ICMP errors write, does not
// apply. The headers that are given say DF.
Descriptor openRawSocket(int family, int protocol, int mark) {
  const bool v6 = family == 6;
  Descriptor raw(::socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!raw) throwSystemError("raw socket");
  const int fd = raw.get();
  sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  attachFilter(fd, nothing);
  if (v6) {
    setOption(fd, IPPROTO_IPV6, IPV6_HDRINCL);
    setOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_INTERFACE);
  } else {
    setOption(fd, IPPROTO_IP, IP_HDRINCL);
    setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_INTERFACE);
  }
  if (mark != 0 && !setOption(fd, SOL_SOCKET, SO_MARK, mark)) throwSystemError("SO_MARK");
  requestBuffers(fd, kBufferOctets);
  return raw;
}

Descriptor openErrorSocket(int family, int protocol) {
  Descriptor raw = openRawSocket(family, protocol, 0);
  const bool v6 = family == 6;
  if (!setOption(raw.get(), v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR)) {
    throwSystemError("raw socket");
  }
  return raw;
}

void filterTap(int tap, int exceptIndex, const TapChoice& choice) {
  const u32 esp = choice.esp ? kProtocolEsp : kProtocolMobility;
  constexpr u32 kParameterProblem = 4;
  // Types up to Parameter Problem are errors.
  const sock_filter error =
      choice.errors ? sock_filter BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kParameterProblem, 0, 5)
                    : sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kParameterProblem, 5, 0);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_IFINDEX)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<u32>(exceptIndex), 21, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_PKTTYPE)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 19),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_PROTOCOL)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 14, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 16),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, network(6)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolIpv6, 15, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolIpv4, 14, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolMobility, 13, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, esp, 12, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolDestination, 11, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolRouting, 10, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolHopByHop, 9, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolFragment, 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolIcmpv6, 0, 2),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, network(40)),
      error,
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, network(9)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolIpv6, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolIpv4, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, kAll),
  };
  attachFilter(tap, code);
}

Descriptor openTap(int exceptIndex, const TapChoice& choice) {
  // Protocol 0: no packet arrives before the filter is in place.
  Descriptor tap(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!tap) throwSystemError("packet socket");
  filterTap(tap.get(), exceptIndex, choice);
  setOption(tap.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING);
  // A virtio header in front of each frame describes partial checksums and segment sizes of virtual
  // links, which otherwise look like damage. The kernel offers it to SOCK_RAW only
  // (packet_setsockopt), so frames have the link header, and the auxiliary data says how long that
  // is.
  if (!setOption(tap.get(), SOL_PACKET, PACKET_VNET_HDR)) throwSystemError("PACKET_VNET_HDR");
  if (!setOption(tap.get(), SOL_PACKET, PACKET_AUXDATA)) throwSystemError("PACKET_AUXDATA");
  requestBuffers(tap.get(), kBufferOctets);
  sockaddr_ll any{};
  any.sll_family = AF_PACKET;
  any.sll_protocol = htons(ETH_P_ALL);
  if (::bind(tap.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) {
    throwSystemError("packet socket");
  }
  return tap;
}

Descriptor openLinkTap(const std::string& device) {
  const unsigned index = ::if_nametoindex(device.c_str());
  if (index == 0) throwSystemError("link device " + device, "name an interface that exists");
  Descriptor tap(::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!tap) throwSystemError("packet socket");
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_PROTOCOL)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 4),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolIcmpv6, 0, 2),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 135, 2, 0),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, kAll),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 136, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, kAll),
  };
  attachFilter(tap.get(), code);
  setOption(tap.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(index);
  if (::bind(tap.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throwSystemError("link device " + device);
  }
  // Solicitations for proxied addresses are sent to multicast groups that this host has not joined.
  packet_mreq all{};
  all.mr_ifindex = static_cast<int>(index);
  all.mr_type = PACKET_MR_ALLMULTI;
  ::setsockopt(tap.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all);
  return tap;
}

Descriptor openDiscoveryTap(int exceptIndex) {
  Descriptor tap(::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!tap) throwSystemError("packet socket");
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_IFINDEX)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<u32>(exceptIndex), 10, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_PKTTYPE)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OTHERHOST, 8, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProtocolIcmpv6, 0, 6),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 7),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kDiscoveryHopLimit, 0, 4),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kRouterAdvertisement, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kNeighbourAdvertisement, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, kAll),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  attachFilter(tap.get(), code);
  setOption(tap.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING);
  sockaddr_ll any{};
  any.sll_family = AF_PACKET;
  any.sll_protocol = htons(ETH_P_IPV6);
  if (::bind(tap.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) {
    throwSystemError("packet socket");
  }
  return tap;
}

// The kernel does not route by the source in the packet's own header; rules that choose an uplink
// by source need it in the control data.
int sendRawPacket(int fd, int family, const u8* packet, size_t length) {
  const bool six = family == 6;
  const Address source = Address::of(family, packet + (six ? 8 : 12));
  SocketAddress to;
  to.set(family, Address::of(family, packet + (six ? 24 : 16)), 0);
  ControlBuffer control;
  iovec part{const_cast<u8*>(packet), length};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = to.length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  writeControl(message, control, {.source = &source, .family = family});
  if (::sendmsg(fd, &message, 0) >= 0) return 0;
  // EINVAL: the source is not an address of this host, as when a home agent answers for a home
  // address.
  if (!six || errno != EINVAL) return errno;
  message.msg_control = nullptr;
  message.msg_controllen = 0;
  return ::sendmsg(fd, &message, 0) >= 0 ? 0 : errno;
}

}  // namespace sojourn
