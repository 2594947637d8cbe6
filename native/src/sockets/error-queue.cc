#include "sockets/error-queue.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include <cerrno>

namespace sojourn {
namespace {

// No error quotes more: RFC 4443 §2.4 (c) ends at the minimum MTU.
constexpr size_t kQuoted = 1280;
// Bounds one call. The rest of the queue wakes the thread again.
constexpr int kReports = 64;

bool isErrorHeader(const cmsghdr* header) {
  return (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) ||
         (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR);
}

bool saysUnreachable(const sock_extended_err& error) {
  if (error.ee_origin == SO_EE_ORIGIN_ICMP6) {
    return error.ee_type == ICMP6_DST_UNREACH ||
           (error.ee_type == ICMP6_TIME_EXCEEDED && error.ee_code == ICMP6_TIME_EXCEED_TRANSIT);
  }
  if (error.ee_origin != SO_EE_ORIGIN_ICMP) return false;
  if (error.ee_type == ICMP_DEST_UNREACH) return error.ee_code != ICMP_FRAG_NEEDED;
  return error.ee_type == ICMP_TIME_EXCEEDED && error.ee_code == ICMP_EXC_TTL;
}

void describe(const sock_extended_err& error, const sockaddr_storage& to, ErrorReport& report) {
  const bool local = error.ee_origin == SO_EE_ORIGIN_LOCAL;
  const bool tooBig = !local && error.ee_errno == EMSGSIZE && error.ee_info <= 65535;
  report.mtu = tooBig ? static_cast<u16>(error.ee_info) : u16{0};
  report.unreachable = saysUnreachable(error);
  report.family = to.ss_family == AF_INET6 ? 6 : 4;
  if (report.family == 6) {
    report.remote = Address::of(6, reinterpret_cast<const sockaddr_in6&>(to).sin6_addr.s6_addr);
    report.port = ntohs(reinterpret_cast<const sockaddr_in6&>(to).sin6_port);
  } else {
    const auto& address = reinterpret_cast<const sockaddr_in&>(to);
    report.remote = Address::of(4, reinterpret_cast<const u8*>(&address.sin_addr));
    report.port = ntohs(address.sin_port);
  }
}

}  // namespace

void drainErrors(int fd, const std::function<void(const ErrorReport&)>& report) {
  u8 quoted[kQuoted];
  for (int taken = 0; taken < kReports; taken++) {
    sockaddr_storage to{};
    alignas(cmsghdr) u8 control[512];
    iovec part{quoted, sizeof quoted};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = sizeof to;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t length = ::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (length < 0) return;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
      if (!isErrorHeader(header)) continue;
      sock_extended_err error;
      std::memcpy(&error, CMSG_DATA(header), sizeof error);
      ErrorReport entry{};
      describe(error, to, entry);
      entry.quoted = quoted;
      entry.quotedLength = static_cast<size_t>(length);
      if (entry.mtu != 0 || entry.unreachable) report(entry);
    }
  }
}

}  // namespace sojourn
