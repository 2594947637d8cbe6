// sojourn-link: a wire with a delay, for kernels without netem. It forwards Ethernet frames between
// two veth interfaces of one network namespace, after a delay and optionally with jitter, loss,
// reordering and duplication. Super-packets (GSO) stay whole: PACKET_VNET_HDR carries their
// segmentation data across.
//
//   sojourn-link --a IF --b IF [--delay-us N] [--jitter-us N] [--loss P] [--reorder P]
//                [--duplicate P] [--seed N] [--queue-bytes N]
//
// P is a percentage (0..100, fractions allowed) of the frames of each direction. Jitter is uniform
// in 0..N and keeps the order of frames; a reordered frame is sent at once, before those that wait.
// A frame that would make a direction's queue longer than --queue-bytes is dropped. Prints "ready"
// once it forwards frames, and its counters on SIGTERM and SIGINT, which end it, and on SIGUSR1.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Nanoseconds = std::int64_t;

constexpr std::size_t kMaximumOctets = 256 * 1024;  // a BIG TCP frame is larger than 64 KiB
constexpr int kBatch = 64;  // frames taken from one side before those of the other
constexpr int kSocketBuffer = 16 * 1024 * 1024;

struct Options {
  std::string a;
  std::string b;
  Nanoseconds delay = 0;
  Nanoseconds jitter = 0;
  double loss = 0;
  double reorder = 0;
  double duplicate = 0;
  std::uint64_t seed = 1;
  std::size_t queue_octets = 64 * 1024 * 1024;
};

struct Counters {
  std::uint64_t passed = 0;
  std::uint64_t lost = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t queue_full = 0;
  std::uint64_t send_failed = 0;
  std::uint64_t receive_failed = 0;
  int last_error = 0;
};

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "sojourn-link: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

Nanoseconds now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<Nanoseconds>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

// SplitMix64: small, and the same sequence for a seed everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  bool happens(double percent) { return percent > 0 && fraction() * 100 < percent; }
  Nanoseconds below(Nanoseconds bound) {
    return bound <= 0 ? 0 : static_cast<Nanoseconds>(fraction() * static_cast<double>(bound));
  }

 private:
  double fraction() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  std::uint64_t state_;
};

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  int number_;
};

void set_option(int socket, int level, int name, int value, const char* what) {
  if (setsockopt(socket, level, name, &value, sizeof value) < 0) die(what);
}

// A packet socket on one interface, for frames of every protocol and address that arrive there. It
// has protocol 0 until it is bound, so that it receives no frame of another interface.
int open_interface(const std::string& name) {
  const unsigned index = if_nametoindex(name.c_str());
  if (index == 0) die(name.c_str());
  const int socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) die("packet socket");
  set_option(socket, SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
  set_option(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
  // The FORCE variants need CAP_NET_ADMIN in the initial namespace; elsewhere the host's limit
  // holds.
  for (const auto& [force, plain] :
       {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, std::pair{SO_SNDBUFFORCE, SO_SNDBUF}}) {
    if (setsockopt(socket, SOL_SOCKET, force, &kSocketBuffer, sizeof kSocketBuffer) < 0) {
      set_option(socket, SOL_SOCKET, plain, kSocketBuffer, "socket buffer");
    }
  }
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(index);
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) die("bind");
  return socket;
}

struct Frame {
  Nanoseconds release;
  std::uint64_t number;  // keeps the order of frames that are released at the same time
  std::vector<std::uint8_t> octets;
};

struct Later {
  bool operator()(const Frame& left, const Frame& right) const {
    return left.release != right.release ? left.release > right.release
                                         : left.number > right.number;
  }
};

// One direction: frames wait in order of release.
class Direction {
 public:
  Direction(int from, int to, const Options& options, std::uint64_t seed)
      : from_(from), to_(to), options_(options), random_(seed) {}

  // Takes at most kBatch frames. True if there may be more.
  bool receive(std::vector<std::uint8_t>& buffer) {
    for (int count = 0; count < kBatch; ++count) {
      const ssize_t size = recv(from_, buffer.data(), buffer.size(), MSG_TRUNC);
      if (size < 0) {
        if (errno == EAGAIN || errno == EINTR) return false;
        // ENETDOWN while an end is down; EINVAL for a kind of GSO that the header cannot describe.
        counters_.receive_failed += 1;
        counters_.last_error = errno;
        return errno != ENETDOWN;
      }
      if (static_cast<std::size_t>(size) > buffer.size()) {
        counters_.receive_failed += 1;
        continue;
      }
      accept({buffer.begin(), buffer.begin() + size});
    }
    return true;
  }

  // Sends the frames that are due. A send that would block keeps the frame for the next call.
  void release(Nanoseconds time) {
    while (!waiting_.empty() && waiting_.top().release <= time) {
      const std::vector<std::uint8_t>& octets = waiting_.top().octets;
      if (send(to_, octets.data(), octets.size(), 0) < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        counters_.send_failed += 1;
        counters_.last_error = errno;
      } else {
        counters_.passed += 1;
      }
      queued_octets_ -= octets.size();
      waiting_.pop();
    }
  }

  // When the next frame is due; -1: no frame waits.
  Nanoseconds deadline() const { return waiting_.empty() ? -1 : waiting_.top().release; }

  const Counters& counters() const { return counters_; }

 private:
  void accept(std::vector<std::uint8_t>&& octets) {
    if (random_.happens(options_.loss)) {
      counters_.lost += 1;
      return;
    }
    if (random_.happens(options_.duplicate)) {
      counters_.duplicated += 1;
      enqueue(std::vector<std::uint8_t>(octets));
    }
    enqueue(std::move(octets));
  }

  void enqueue(std::vector<std::uint8_t>&& octets) {
    if (queued_octets_ + octets.size() > options_.queue_octets) {
      counters_.queue_full += 1;
      return;
    }
    Nanoseconds release = now();
    if (options_.reorder > 0 && random_.happens(options_.reorder)) {
      counters_.reordered += 1;
    } else {
      release += options_.delay + random_.below(options_.jitter);
      if (release < last_release_) release = last_release_;
      last_release_ = release;
    }
    queued_octets_ += octets.size();
    waiting_.push({release, next_number_++, std::move(octets)});
  }

  int from_;
  int to_;
  const Options& options_;
  Random random_;
  std::priority_queue<Frame, std::vector<Frame>, Later> waiting_;
  std::size_t queued_octets_ = 0;
  Nanoseconds last_release_ = 0;
  std::uint64_t next_number_ = 0;
  Counters counters_;
};

void print(const char* name, const Counters& c) {
  std::printf(
      "%s passed=%llu lost=%llu duplicated=%llu reordered=%llu queue_full=%llu send_failed=%llu "
      "receive_failed=%llu error=%s\n",
      name, static_cast<unsigned long long>(c.passed), static_cast<unsigned long long>(c.lost),
      static_cast<unsigned long long>(c.duplicated), static_cast<unsigned long long>(c.reordered),
      static_cast<unsigned long long>(c.queue_full), static_cast<unsigned long long>(c.send_failed),
      static_cast<unsigned long long>(c.receive_failed),
      c.last_error == 0 ? "none" : std::strerror(c.last_error));
  std::fflush(stdout);
}

// The loop: one epoll over both interfaces, the timer and the signals.
class Link {
 public:
  explicit Link(const Options& options)
      : a_(open_interface(options.a)),
        b_(open_interface(options.b)),
        timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
        signals_(block_signals()),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        directions_{Direction(a_.get(), b_.get(), options, options.seed),
                    Direction(b_.get(), a_.get(), options, ~options.seed)} {
    if (timer_.get() < 0 || epoll_.get() < 0) die("epoll");
    for (const int each : {a_.get(), b_.get(), timer_.get(), signals_.get()}) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = each;
      if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, each, &event) < 0) die("epoll_ctl");
    }
  }

  void run() {
    std::vector<std::uint8_t> buffer(kMaximumOctets);
    std::printf("ready\n");
    std::fflush(stdout);
    for (;;) {
      bool more = false;
      for (Direction& direction : directions_) more |= direction.receive(buffer);
      const Nanoseconds time = now();
      for (Direction& direction : directions_) direction.release(time);
      if (!wait(more)) return;
    }
  }

 private:
  static int block_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int each : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, each);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  }

  // Sleeps until a frame arrives or is due. False: a signal ends the process.
  bool wait(bool more) {
    if (!more) arm();
    std::array<epoll_event, 4> events;
    const int count =
        epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), more ? 0 : -1);
    for (int index = 0; index < count; ++index) {
      if (events[static_cast<std::size_t>(index)].data.fd == timer_.get()) {
        std::uint64_t expirations;
        if (read(timer_.get(), &expirations, sizeof expirations) < 0 && errno != EAGAIN) {
          die("timer");
        }
        armed_ = kExpired;
      } else if (events[static_cast<std::size_t>(index)].data.fd == signals_.get() &&
                 !signalled()) {
        return false;
      }
    }
    return true;
  }

  bool signalled() {
    signalfd_siginfo info;
    if (read(signals_.get(), &info, sizeof info) != sizeof info) return true;
    print("a->b", directions_[0].counters());
    print("b->a", directions_[1].counters());
    return info.ssi_signo == SIGUSR1;
  }

  void arm() {
    Nanoseconds next = -1;
    for (const Direction& direction : directions_) {
      const Nanoseconds deadline = direction.deadline();
      if (deadline >= 0 && (next < 0 || deadline < next)) next = deadline;
    }
    if (next == armed_) return;
    // A frame that is due but could not be sent is retried a little later, not in a busy loop.
    const Nanoseconds time = now();
    const Nanoseconds at = next >= 0 && next <= time ? time + 20'000 : next;
    itimerspec value{};
    if (next >= 0) {
      value.it_value.tv_sec = at / 1'000'000'000;
      value.it_value.tv_nsec = at % 1'000'000'000;
    }
    if (timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &value, nullptr) < 0) {
      die("timerfd_settime");
    }
    armed_ = at == next ? next : kExpired;
  }

  Descriptor a_;
  Descriptor b_;
  Descriptor timer_;
  Descriptor signals_;
  Descriptor epoll_;
  std::array<Direction, 2> directions_;
  // No deadline has this value, so the timer is set again.
  static constexpr Nanoseconds kExpired = -2;
  // When the timer fires; -1: off.
  Nanoseconds armed_ = -1;
};

template <typename Number>
Number number(std::string_view name, std::string_view text, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > most) {
    std::fprintf(stderr, "sojourn-link: %s: \"%s\" is not a number in 0..%s\n",
                 std::string(name).c_str(), std::string(text).c_str(),
                 std::to_string(most).c_str());
    std::exit(64);
  }
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int index = 1; index + 1 < argc; index += 2) {
    const std::string_view name = argv[index];
    const std::string_view text = argv[index + 1];
    constexpr Nanoseconds kMostUs = 60'000'000;
    if (name == "--a") {
      options.a = text;
    } else if (name == "--b") {
      options.b = text;
    } else if (name == "--delay-us") {
      options.delay = number<Nanoseconds>(name, text, kMostUs) * 1000;
    } else if (name == "--jitter-us") {
      options.jitter = number<Nanoseconds>(name, text, kMostUs) * 1000;
    } else if (name == "--loss") {
      options.loss = number<double>(name, text, 100);
    } else if (name == "--reorder") {
      options.reorder = number<double>(name, text, 100);
    } else if (name == "--duplicate")
      options.duplicate = number<double>(name, text, 100);
    else if (name == "--seed")
      options.seed = number<std::uint64_t>(name, text, UINT64_MAX);
    else if (name == "--queue-bytes")
      options.queue_octets = number<std::uint64_t>(name, text, std::uint64_t{1} << 32);
    else
      options.a.clear(), index = argc;
  }
  if (options.a.empty() || options.b.empty() || argc % 2 == 0) {
    std::fprintf(stderr,
                 "usage: sojourn-link --a IF --b IF [--delay-us N] [--jitter-us N] [--loss "
                 "PERCENT] [--reorder PERCENT]\n"
                 "                    [--duplicate PERCENT] [--seed N] [--queue-bytes N]\n");
    std::exit(64);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  prctl(PR_SET_TIMERSLACK, 1UL);
  // A wire does not wait for a processor. An ordinary user is refused, and then the delay is exact
  // only while the machine is idle.
  if (setpriority(PRIO_PROCESS, 0, -15) < 0) errno = 0;
  Link(options).run();
  return 0;
}
