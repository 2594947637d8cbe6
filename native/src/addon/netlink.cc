#include "addon/netlink.h"

#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#include <csignal>

#include "base/system-error.h"

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

}  // namespace

Netlink::Netlink() : requests_(openRoute(0)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stop_) throwSystemError("eventfd");
  const timeval timeout{kAnswerSeconds, 0};
  ::setsockopt(requests_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

Netlink::~Netlink() {
  const u64 one = 1;
  if (reader_.joinable() && ::write(stop_.get(), &one, sizeof one) > 0) reader_.join();
}

Datagrams Netlink::request(const u8* message, size_t length) {
  nlmsghdr header;
  if (length < sizeof header) throw SystemError(EINVAL, "netlink request");
  std::memcpy(&header, message, sizeof header);
  if (::send(requests_.get(), message, length, 0) < 0) throwSystemError("netlink request");
  Datagrams answer;
  std::vector<u8> buffer(kDatagram);
  for (;;) {
    const ssize_t got = ::recv(requests_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throwSystemError("netlink answer");
    answer.emplace_back(buffer.begin(), buffer.begin() + got);
    if (endsAnswer(answer.back(), header.nlmsg_seq)) return answer;
  }
}

void Netlink::subscribe(const std::vector<int>& groups, Handler handler) {
  if (reader_.joinable()) throw SystemError(EALREADY, "netlink subscription");
  notifications_ = openRoute(SOCK_NONBLOCK);
  sockaddr_nl any{};
  any.nl_family = AF_NETLINK;
  if (::bind(notifications_.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) {
    throwSystemError("netlink socket");
  }
  for (const int group : groups) {
    if (!setOption(notifications_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)) {
      throwSystemError("netlink group " + std::to_string(group));
    }
  }
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  reader_ = std::thread([this, handler = std::move(handler)] { read(handler); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
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
