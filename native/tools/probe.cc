// sojourn-probe: numbered UDP packets with time stamps, and the changes of the host's addresses and
// routes, on one clock.
//
//   sojourn-probe --bind ADDRESS --port N --peer ADDRESS --peer-port N [--interval-us N]
//                 [--receive-only] [--watch IF] [--seconds N]
//
// Measures handover stalls, and shares no code with the measured programs. It prints a line for
// each event, CLOCK_MONOTONIC microseconds first:
//
//   TIME ready
//   TIME sent SEQUENCE
//   TIME unsent SEQUENCE ERRNO        the kernel refused to send
//   TIME received SEQUENCE SENT-TIME  SENT-TIME is the sender's, by the clock of the same machine
//   TIME address ADDRESS              usable on the watched interface: global, not tentative
//                                     and not optimistic (RFC 4429)
//   TIME no-address ADDRESS
//   TIME route 4|6                    the main table has a default route by the watched interface
//   TIME no-route 4|6
//
// Lines are written after 100 ms, or when an address or route changes, so that writing does not
// disturb a stall.
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <set>
#include <string>
#include <string_view>

namespace {

constexpr std::uint32_t kMagic = 0x736a7072;
constexpr std::uint64_t kFlushUs = 100'000;
constexpr std::uint64_t kLongestSeconds = 3'600;

struct Packet {
  std::uint32_t magic = kMagic;
  std::uint32_t reserved = 0;
  std::uint64_t sequence;
  std::uint64_t sent_us;
};

struct Options {
  const char* bind = nullptr;
  const char* peer = nullptr;
  std::uint16_t port = 0;
  std::uint16_t peer_port = 0;
  std::uint64_t interval_us = 2'000;
  bool send = true;
  const char* watch = nullptr;
  std::uint64_t seconds = kLongestSeconds;
};

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "sojourn-probe: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

[[noreturn]] void usage() {
  std::fputs(
      "usage: sojourn-probe --bind ADDRESS --port N --peer ADDRESS --peer-port N\n"
      "                     [--interval-us N] [--receive-only] [--watch IF] [--seconds N]\n",
      stderr);
  std::exit(64);
}

std::uint64_t now_us() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec) / 1'000;
}

std::uint64_t number(const char* text, std::uint64_t most) {
  char* end = nullptr;
  errno = 0;
  const std::uint64_t value = std::strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value == 0 || value > most) usage();
  return value;
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int at = 1; at < argc; ++at) {
    const std::string_view name = argv[at];
    if (name == "--receive-only") {
      options.send = false;
      continue;
    }
    if (at + 1 >= argc) usage();
    const char* value = argv[++at];
    if (name == "--bind") {
      options.bind = value;
    } else if (name == "--peer") {
      options.peer = value;
    } else if (name == "--port") {
      options.port = static_cast<std::uint16_t>(number(value, 65'535));
    } else if (name == "--peer-port") {
      options.peer_port = static_cast<std::uint16_t>(number(value, 65'535));
    } else if (name == "--interval-us") {
      options.interval_us = number(value, 60'000'000);
    } else if (name == "--watch") {
      options.watch = value;
    } else if (name == "--seconds")
      options.seconds = number(value, kLongestSeconds);
    else
      usage();
  }
  if (options.bind == nullptr || options.port == 0) usage();
  if (options.peer == nullptr || options.peer_port == 0) usage();
  return options;
}

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

Address parse_address(const char* text, std::uint16_t port) {
  Address address;
  auto* ipv6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  auto* ipv4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1) {
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(port);
    address.length = sizeof *ipv6;
  } else if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(port);
    address.length = sizeof *ipv4;
  } else {
    usage();
  }
  return address;
}

// The address may not exist yet, and may come and go while the host moves.
int open_socket(const Address& local) {
  const int family = local.storage.ss_family;
  const int socket = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) die("socket");
  const int on = 1;
  const int buffer = 4 * 1024 * 1024;
  const bool six = family == AF_INET6;
  if (setsockopt(socket, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_FREEBIND : IP_FREEBIND, &on,
                 sizeof on) < 0) {
    die("FREEBIND");
  }
  setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  if (bind(socket, reinterpret_cast<const sockaddr*>(&local.storage), local.length) < 0) {
    die("bind");
  }
  return socket;
}

int open_netlink() {
  const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (socket < 0) die("netlink socket");
  const int buffer = 4 * 1024 * 1024;
  setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups =
      RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    die("netlink bind");
  }
  return socket;
}

class Log {
 public:
  template <typename... Values>
  void line(std::uint64_t time, const char* format, Values... values) {
    std::array<char, 160> text;
    int length = std::snprintf(text.data(), text.size(), "%" PRIu64 " ", time);
    length += std::snprintf(text.data() + length, text.size() - static_cast<std::size_t>(length),
                            format, values...);
    text_.append(text.data(), static_cast<std::size_t>(length));
    text_.push_back('\n');
    if (oldest_ == 0) oldest_ = time;
  }

  void urge() { urgent_ = true; }

  void flush(std::uint64_t now, bool force = false) {
    if (text_.empty() || !(force || urgent_ || now - oldest_ >= kFlushUs)) return;
    std::size_t written = 0;
    while (written < text_.size()) {
      const ssize_t count = write(STDOUT_FILENO, text_.data() + written, text_.size() - written);
      if (count < 0 && errno != EINTR) die("write");
      if (count > 0) written += static_cast<std::size_t>(count);
    }
    text_.clear();
    oldest_ = 0;
    urgent_ = false;
  }

 private:
  std::string text_;
  std::uint64_t oldest_ = 0;
  bool urgent_ = false;
};

// The state of one interface by rtnetlink. Only changes become lines: router advertisements repeat
// everything.
class Watch {
 public:
  Watch(int socket, unsigned index, Log& log) : socket_(socket), index_(index), log_(log) {}

  void read(std::uint64_t now) {
    alignas(nlmsghdr) std::array<char, 65'536> buffer;
    for (;;) {
      ssize_t length = recv(socket_, buffer.data(), buffer.size(), 0);
      if (length < 0) {
        if (errno == ENOBUFS) continue;
        if (errno == EAGAIN || errno == EINTR) return;
        die("netlink");
      }
      for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(header, length);
           header = NLMSG_NEXT(header, length)) {
        message(now, *header);
      }
    }
  }

 private:
  void message(std::uint64_t now, nlmsghdr& header) {
    switch (header.nlmsg_type) {
      case RTM_NEWADDR:
      case RTM_DELADDR:
        address(now, header);
        break;
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        route(now, header);
        break;
      default:
        break;
    }
  }

  void address(std::uint64_t now, nlmsghdr& header) {
    const auto* body = static_cast<ifaddrmsg*>(NLMSG_DATA(&header));
    if (body->ifa_index != index_ || body->ifa_scope != RT_SCOPE_UNIVERSE) return;
    std::uint32_t flags = body->ifa_flags;
    std::string text;
    int length = static_cast<int>(IFA_PAYLOAD(&header));
    for (const rtattr* attribute = IFA_RTA(body); RTA_OK(attribute, length);
         attribute = RTA_NEXT(attribute, length)) {
      if (attribute->rta_type == IFA_FLAGS) std::memcpy(&flags, RTA_DATA(attribute), sizeof flags);
      if (attribute->rta_type != IFA_LOCAL && attribute->rta_type != IFA_ADDRESS) continue;
      if (attribute->rta_type == IFA_ADDRESS && !text.empty()) continue;
      std::array<char, INET6_ADDRSTRLEN> buffer{};
      inet_ntop(body->ifa_family, RTA_DATA(attribute), buffer.data(), buffer.size());
      text = buffer.data();
    }
    const bool tentative = (flags & IFA_F_TENTATIVE) != 0 && (flags & IFA_F_OPTIMISTIC) == 0;
    const bool usable =
        header.nlmsg_type == RTM_NEWADDR && !tentative && (flags & IFA_F_DADFAILED) == 0;
    if (usable ? !usable_.insert(text).second : usable_.erase(text) == 0) return;
    log_.line(now, usable ? "address %s" : "no-address %s", text.c_str());
    log_.urge();
  }

  void route(std::uint64_t now, nlmsghdr& header) {
    const auto* body = static_cast<rtmsg*>(NLMSG_DATA(&header));
    if (body->rtm_dst_len != 0 || body->rtm_type != RTN_UNICAST ||
        (body->rtm_flags & RTM_F_CLONED) != 0) {
      return;
    }
    std::uint32_t table = body->rtm_table;
    std::uint32_t device = 0;
    int length = static_cast<int>(RTM_PAYLOAD(&header));
    for (const rtattr* attribute = RTM_RTA(body); RTA_OK(attribute, length);
         attribute = RTA_NEXT(attribute, length)) {
      if (attribute->rta_type == RTA_TABLE) std::memcpy(&table, RTA_DATA(attribute), sizeof table);
      if (attribute->rta_type == RTA_OIF) std::memcpy(&device, RTA_DATA(attribute), sizeof device);
    }
    if (table != RT_TABLE_MAIN || device != index_) return;
    const bool there = header.nlmsg_type == RTM_NEWROUTE;
    const bool six = body->rtm_family == AF_INET6;
    bool& known = routes_[six ? 1 : 0];
    if (known == there) return;
    known = there;
    log_.line(now, there ? "route %d" : "no-route %d", six ? 6 : 4);
    log_.urge();
  }

  int socket_;
  unsigned index_;
  Log& log_;
  std::set<std::string> usable_;
  std::array<bool, 2> routes_{};
};

void receive(int socket, Log& log) {
  for (;;) {
    Packet packet{};
    const ssize_t length = recv(socket, &packet, sizeof packet, 0);
    if (length < 0 && errno == EAGAIN) return;
    // An ICMP error about an earlier packet: the next call returns data again.
    if (length < 0) continue;
    if (length != sizeof packet || packet.magic != kMagic) continue;
    log.line(now_us(), "received %" PRIu64 " %" PRIu64, packet.sequence, packet.sent_us);
  }
}

void send_one(int socket, const Address& peer, std::uint64_t sequence, Log& log) {
  const std::uint64_t now = now_us();
  const Packet packet{.sequence = sequence, .sent_us = now};
  const auto* to = reinterpret_cast<const sockaddr*>(&peer.storage);
  const ssize_t sent = sendto(socket, &packet, sizeof packet, 0, to, peer.length);
  if (sent == static_cast<ssize_t>(sizeof packet)) {
    log.line(now, "sent %" PRIu64, sequence);
  } else
    log.line(now, "unsent %" PRIu64 " %d", sequence, errno);
}

int open_timer(std::uint64_t interval_us) {
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer < 0) die("timer");
  itimerspec spec{};
  spec.it_interval.tv_sec = static_cast<time_t>(interval_us / 1'000'000);
  spec.it_interval.tv_nsec = static_cast<long>(interval_us % 1'000'000) * 1'000;
  spec.it_value = spec.it_interval;
  if (timerfd_settime(timer, 0, &spec, nullptr) < 0) die("timer");
  return timer;
}

int open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) < 0) die("signals");
  const int file = signalfd(-1, &signals, SFD_CLOEXEC);
  if (file < 0) die("signals");
  return file;
}

void run(const Options& options) {
  const Address local = parse_address(options.bind, options.port);
  const Address peer = parse_address(options.peer, options.peer_port);
  if (local.storage.ss_family != peer.storage.ss_family) usage();
  const int socket = open_socket(local);
  const unsigned index = options.watch == nullptr ? 0 : if_nametoindex(options.watch);
  if (options.watch != nullptr && index == 0) die(options.watch);
  const int netlink = options.watch == nullptr ? -1 : open_netlink();
  // A probe that only receives needs the timer for writing lines.
  const int timer = open_timer(options.send ? options.interval_us : kFlushUs);
  const int signals = open_signals();
  Log log;
  Watch watch(netlink, index, log);
  const std::uint64_t end = now_us() + options.seconds * 1'000'000;
  std::uint64_t sequence = 0;
  log.line(now_us(), "ready");
  log.urge();
  log.flush(now_us());
  std::array<pollfd, 4> files{
      {{socket, POLLIN, 0}, {timer, POLLIN, 0}, {signals, POLLIN, 0}, {netlink, POLLIN, 0}}};
  while (now_us() < end) {
    if (poll(files.data(), files.size(), 1'000) < 0 && errno != EINTR) die("poll");
    if ((files[3].revents & POLLIN) != 0) watch.read(now_us());
    if ((files[0].revents & (POLLIN | POLLERR)) != 0) receive(socket, log);
    if ((files[1].revents & POLLIN) != 0) {
      std::uint64_t expirations = 0;
      if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) die("timer");
      if (options.send) send_one(socket, peer, ++sequence, log);
    }
    if ((files[2].revents & POLLIN) != 0) break;
    log.flush(now_us());
  }
  log.flush(now_us(), true);
}

}  // namespace

int main(int argc, char** argv) {
  run(parse_options(argc, argv));
  return 0;
}
