#include "addon/netlink.h"

#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/system-error.h"
#include "base/thread.h"

namespace sojourn {
namespace {

// No datagram of rtnetlink is larger: the kernel cuts dumps at 32 KiB.
constexpr size_t kDatagram = 1 << 17;
constexpr int kBufferOctets = 8 << 20;
constexpr time_t kAnswerSeconds = 10;

Descriptor openRoute(int flags) {
  Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE));
  if (!socket) throwSystemError("netlink socket");
  requestBuffers(socket.get(), kBufferOctets);
  // Old kernels lack both, and work without.
  setOption(socket.get(), SOL_NETLINK, NETLINK_EXT_ACK);
  setOption(socket.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK);
  return socket;
}

Descriptor openRequests() {
  Descriptor socket = openRoute(0);
  const timeval timeout{kAnswerSeconds, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  return socket;
}

// True if `datagram` holds the end of the answer to `sequence`.
bool endsAnswer(const std::vector<u8>& datagram, u32 sequence) {
  size_t at = 0;
  while (at + sizeof(nlmsghdr) <= datagram.size()) {
    nlmsghdr header;
    std::memcpy(&header, datagram.data() + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size() - at) return false;
    const bool end = header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR;
    if (end && header.nlmsg_seq == sequence) return true;
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  return false;
}

// Removes the messages of other routes; what remains moves to the front.
void keepRelevant(std::vector<u8>& datagram, const RelevantRoutes& routes) {
  size_t kept = 0;
  size_t at = 0;
  while (at + sizeof(nlmsghdr) <= datagram.size()) {
    nlmsghdr header;
    std::memcpy(&header, datagram.data() + at, sizeof header);
    const size_t length = NLMSG_ALIGN(header.nlmsg_len);
    if (header.nlmsg_len < sizeof header || length > datagram.size() - at) break;
    rtmsg route{};
    const bool isRoute =
        header.nlmsg_type == RTM_NEWROUTE && header.nlmsg_len >= NLMSG_LENGTH(sizeof route);
    if (isRoute) std::memcpy(&route, datagram.data() + at + NLMSG_HDRLEN, sizeof route);
    if (!isRoute || route.rtm_dst_len == 0 || route.rtm_protocol == routes.protocol) {
      std::memmove(datagram.data() + kept, datagram.data() + at, length);
      kept += length;
    }
    at += length;
  }
  datagram.resize(kept);
}

constexpr u32 offsetInRoute(size_t field) { return static_cast<u32>(NLMSG_HDRLEN + field); }

// The kernel drops notifications of other routes before it queues them for this socket: a routing
// daemon with a full table neither wakes the reader nor overruns the socket.
void attachRouteFilter(int fd, const RelevantRoutes& routes) {
  constexpr u32 type = offsetof(nlmsghdr, nlmsg_type);
  sock_filter code[] = {
      // The type is little-endian, as on every host of this suite.
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, type + 1),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, type),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTM_NEWROUTE, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTM_DELROUTE, 0, 4),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetInRoute(offsetof(rtmsg, rtm_dst_len))),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetInRoute(offsetof(rtmsg, rtm_protocol))),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, routes.protocol, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0x40000),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const sock_fprog program{sizeof code / sizeof code[0], code};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    throwSystemError("filter of the netlink socket");
  }
}

}  // namespace

Netlink::Netlink() : requests_(openRequests()), stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stop_) throwSystemError("eventfd");
}

Netlink::~Netlink() {
  const u64 one = 1;
  if (reader_.joinable() && ::write(stop_.get(), &one, sizeof one) > 0) reader_.join();
}

// Calls `take` for each datagram of the answer, until it returns false. Returns whether the answer
// was read to its end.
template <class Take>
bool Netlink::ask(const u8* message, size_t length, Take&& take) {
  nlmsghdr header;
  if (length < sizeof header) throw SystemError(EINVAL, "netlink request");
  std::memcpy(&header, message, sizeof header);
  if (::send(requests_.get(), message, length, 0) < 0) throwSystemError("netlink request");
  std::vector<u8> buffer(kDatagram);
  for (;;) {
    const ssize_t got = ::recv(requests_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throwSystemError("netlink answer");
    std::vector<u8> datagram(buffer.begin(), buffer.begin() + got);
    const bool last = endsAnswer(datagram, header.nlmsg_seq);
    if (!take(std::move(datagram), last)) return false;
    if (last) return true;
  }
}

Datagrams Netlink::request(const u8* message, size_t length) {
  Datagrams answer;
  ask(message, length, [&](std::vector<u8>&& datagram, bool) {
    answer.push_back(std::move(datagram));
    return true;
  });
  return answer;
}

std::optional<Datagrams> Netlink::dumpRoutes(const u8* message, size_t length,
                                             RelevantRoutes routes, u64 budgetMs) {
  const u64 startedMs = monotonicMs();
  Datagrams answer;
  const bool whole = ask(message, length, [&](std::vector<u8>&& datagram, bool last) {
    keepRelevant(datagram, routes);
    if (!datagram.empty()) answer.push_back(std::move(datagram));
    return last || monotonicMs() - startedMs <= budgetMs;
  });
  if (whole) return answer;
  // The kernel produces a dump while it is read; closing the socket ends it.
  requests_ = openRequests();
  return std::nullopt;
}

void Netlink::subscribe(const std::vector<int>& groups, RelevantRoutes routes, Handler handler) {
  if (reader_.joinable()) throw SystemError(EALREADY, "netlink subscription");
  notifications_ = openRoute(SOCK_NONBLOCK);
  sockaddr_nl any{};
  any.nl_family = AF_NETLINK;
  if (::bind(notifications_.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) {
    throwSystemError("netlink socket");
  }
  attachRouteFilter(notifications_.get(), routes);
  for (const int group : groups) {
    if (!setOption(notifications_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)) {
      throwSystemError("netlink group " + std::to_string(group));
    }
  }
  reader_ = startThread([this, handler = std::move(handler)] { read(handler); });
}

void Netlink::read(const Handler& handler) {
  std::vector<u8> buffer(kDatagram);
  pollfd watched[2] = {{notifications_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
  for (;;) {
    if (::poll(watched, 2, -1) < 0 && errno != EINTR) return;
    if (watched[1].revents != 0) return;
    Datagrams datagrams;
    bool overrun = false;
    for (;;) {
      const ssize_t got = ::recv(notifications_.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == ENOBUFS) {
        overrun = true;
      } else if (got <= 0) {
        break;
      } else {
        datagrams.emplace_back(buffer.begin(), buffer.begin() + got);
      }
    }
    if (overrun || !datagrams.empty()) handler(std::move(datagrams), overrun);
  }
}

}  // namespace sojourn
