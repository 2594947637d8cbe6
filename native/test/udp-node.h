// A peer of a plane's sealed port, with a real socket on the loopback interface.
#pragma once
#include <netinet/udp.h>
#include <sys/time.h>

#include <vector>

#include "sockets/udp-socket.h"
#include "tables/tunnel.h"
#include "check.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace sojourn::testing {

using Bytes = std::vector<u8>;

// A UDP socket at 127.0.0.1 that receives runs of datagrams whole.
class Node {
 public:
  Node() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const timeval timeout{10, 0};
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setOption(fd(), IPPROTO_UDP, UDP_GRO);
    setOption(fd(), IPPROTO_IP, IP_RECVTOS);
    sockaddr_in at = socketAddress(loopback(), 0);
    socklen_t size = sizeof at;
    CHECK(::bind(fd(), reinterpret_cast<sockaddr*>(&at), size) == 0);
    ::getsockname(fd(), reinterpret_cast<sockaddr*>(&at), &size);
    port = ntohs(at.sin_port);
  }

  static Address loopback() {
    Address address;
    store32(address.bytes, 0x7f000001);
    return address;
  }
  int fd() const { return socket_.get(); }
  Endpoint::Key key() const {
    return {.remote = loopback(), .port = port, .encapsulation = kSealedUdp};
  }

  // From the loopback address to this node.
  OuterPath path() const { return {.remotePort = port, .local = loopback(), .remote = loopback()}; }

  // The next message, within ten seconds. `last.segmentSize` is 0 for a single datagram.
  Bytes receive() {
    Bytes datagram(65536);
    iovec part{datagram.data(), datagram.size()};
    ControlBuffer control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    const ssize_t length = ::recvmsg(fd(), &message, 0);
    CHECK(length >= 0);
    datagram.resize(length < 0 ? 0 : static_cast<size_t>(length));
    last = readControl(message);
    return datagram;
  }
  bool nothing() {
    u8 octet;
    return ::recv(fd(), &octet, 1, MSG_DONTWAIT) < 0;
  }

  u16 port = 0;
  UdpReceived last;

 private:
  Descriptor socket_;
};

}  // namespace sojourn::testing
