// Sends copies of given packets at a given rate with few cycles, for tests and benchmarks under
// attack.
//
//   sojourn-flood [--device NAME] [--frames] [--rate N] [--seconds S] [--count N]
//                 [--source PREFIX/LENGTH] [--vary AT:OCTETS]... FILE
//
// FILE has one packet a line: hexadecimal octets, then the offset of its checksum if a changed
// source or varied octet changes that (the pseudo-header included). The packets are sent in turn.
//
//   --frames   the packets are frames, written to --device as they are; otherwise they begin with
//              an IPv4 or IPv6 header, and the kernel routes them (through --device, if given)
//   --rate     packets a second; 0 (the default): as fast as possible
//   --seconds  default 1
//   --count    ends after so many packets
//   --source   the source address of each packet is random within this prefix; not for frames
//   --vary     these octets are random in each packet; the offset is even if a checksum covers them
//
// Prints {"sent": N, "refused": N, "seconds": S}; `refused` counts packets that the kernel did not
// take. SIGTERM ends it early with the same line. Needs CAP_NET_RAW.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#ifndef IPV6_HDRINCL
#define IPV6_HDRINCL 36
#endif
#ifndef PACKET_QDISC_BYPASS
#define PACKET_QDISC_BYPASS 20
#endif

namespace {

constexpr int kBatch = 64;

volatile std::sig_atomic_t stopped = 0;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "sojourn-flood: %s\n", what.c_str());
  std::exit(1);
}

[[noreturn]] void failSystem(const std::string& what) {
  fail(what + ": " + std::strerror(errno));
}

struct Vary {
  size_t at;
  size_t octets;
};

struct Options {
  std::string device;
  bool frames = false;
  double rate = 0;
  double seconds = 1;
  uint64_t count = UINT64_MAX;
  int sourceFamily = 0;
  uint8_t source[16] = {};
  unsigned sourceBits = 0;
  std::vector<Vary> vary;
  std::string file;
};

struct Packet {
  std::vector<uint8_t> octets;
  size_t checksumAt = 0;  // 0: none
};

void readSource(Options& options, const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) fail("--source needs PREFIX/LENGTH");
  const std::string address = text.substr(0, slash);
  options.sourceFamily = address.find(':') == std::string::npos ? 4 : 6;
  const int family = options.sourceFamily == 6 ? AF_INET6 : AF_INET;
  if (::inet_pton(family, address.c_str(), options.source) != 1) fail("no address: " + address);
  options.sourceBits = static_cast<unsigned>(std::atoi(text.c_str() + slash + 1));
}

Options optionsOf(int count, char** arguments) {
  Options options;
  for (int index = 1; index < count; index++) {
    const std::string name = arguments[index];
    if (name == "--frames") {
      options.frames = true;
      continue;
    }
    if (name.rfind("--", 0) != 0) {
      options.file = name;
      continue;
    }
    if (++index == count) fail(name + " needs a value");
    const std::string value = arguments[index];
    if (name == "--device") {
      options.device = value;
    } else if (name == "--rate") {
      options.rate = std::atof(value.c_str());
    } else if (name == "--seconds") {
      options.seconds = std::atof(value.c_str());
    } else if (name == "--count") {
      options.count = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--source") {
      readSource(options, value);
    } else if (name == "--vary") {
      const size_t colon = value.find(':');
      if (colon == std::string::npos) fail("--vary needs AT:OCTETS");
      options.vary.push_back({std::strtoul(value.c_str(), nullptr, 10),
                              std::strtoul(value.c_str() + colon + 1, nullptr, 10)});
    } else {
      fail("unknown option " + name);
    }
  }
  if (options.file.empty()) fail("a file of packets is missing");
  if (options.frames && options.device.empty()) fail("--frames needs --device");
  return options;
}

std::vector<Packet> packetsOf(const std::string& file) {
  FILE* input = std::fopen(file.c_str(), "r");
  if (input == nullptr) failSystem(file);
  std::vector<Packet> packets;
  static char line[200000];
  while (std::fgets(line, sizeof line, input) != nullptr) {
    Packet packet;
    const char* at = line;
    unsigned octet;
    while (std::sscanf(at, "%2x", &octet) == 1 && at[0] > ' ' && at[1] > ' ') {
      packet.octets.push_back(static_cast<uint8_t>(octet));
      at += 2;
    }
    packet.checksumAt = std::strtoul(at, nullptr, 10);
    if (!packet.octets.empty()) packets.push_back(std::move(packet));
  }
  std::fclose(input);
  if (packets.empty()) fail("no packets in " + file);
  return packets;
}

uint64_t randomState = 0x9e3779b97f4a7c15u;

uint64_t randomWord() {
  randomState ^= randomState << 13;
  randomState ^= randomState >> 7;
  randomState ^= randomState << 17;
  return randomState;
}

uint16_t word(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }

// Replaces octets and updates the checksum at `checksum` (RFC 1624 §3), which may be null.
void replace(uint8_t* at, const uint8_t* with, size_t octets, uint8_t* checksum) {
  if (checksum != nullptr) {
    uint32_t sum = static_cast<uint16_t>(~word(checksum));
    uint8_t before[2] = {};
    uint8_t after[2] = {};
    for (size_t index = 0; index < octets; index += 2) {
      const size_t part = octets - index < 2 ? 1 : 2;
      std::memcpy(before, at + index, part);
      std::memcpy(after, with + index, part);
      sum += static_cast<uint16_t>(~word(before)) + word(after);
    }
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    const uint16_t result = static_cast<uint16_t>(~sum);
    checksum[0] = static_cast<uint8_t>(result >> 8);
    checksum[1] = static_cast<uint8_t>(result);
  }
  std::memcpy(at, with, octets);
}

void randomSource(const Options& options, std::vector<uint8_t>& packet, uint8_t* checksum) {
  const bool six = options.sourceFamily == 6;
  uint8_t source[16];
  const uint64_t words[2] = {randomWord(), randomWord()};
  std::memcpy(source, words, sizeof source);
  for (unsigned bit = 0; bit < options.sourceBits; bit++) {
    const uint8_t mask = static_cast<uint8_t>(0x80 >> bit % 8);
    source[bit / 8] = static_cast<uint8_t>((source[bit / 8] & ~mask) |
                                           (options.source[bit / 8] & mask));
  }
  replace(packet.data() + (six ? 8 : 12), source, six ? 16 : 4, checksum);
}

void change(const Options& options, Packet& packet) {
  uint8_t* checksum = packet.checksumAt == 0 ? nullptr : packet.octets.data() + packet.checksumAt;
  if (options.sourceFamily != 0) randomSource(options, packet.octets, checksum);
  for (const Vary& vary : options.vary) {
    for (size_t done = 0; done < vary.octets; done += 8) {
      const uint64_t random = randomWord();
      const size_t part = vary.octets - done < 8 ? vary.octets - done : 8;
      if (vary.at + done + part > packet.octets.size()) break;
      replace(packet.octets.data() + vary.at + done, reinterpret_cast<const uint8_t*>(&random),
              part, checksum);
    }
  }
}

int openFrames(const std::string& device) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) failSystem("packet socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
  if (address.sll_ifindex == 0) failSystem(device);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) failSystem(device);
  const int on = 1;
  ::setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  return fd;
}

int openRaw(const Options& options, bool six) {
  const int fd = ::socket(six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) failSystem("raw socket");
  const int on = 1;
  if (six) ::setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on);
  const int octets = 8 << 20;
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &octets, sizeof octets);
  if (!options.device.empty() &&
      ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options.device.c_str(),
                   static_cast<socklen_t>(options.device.size() + 1)) != 0) {
    failSystem(options.device);
  }
  return fd;
}

class Flood {
 public:
  Flood(const Options& options, const std::vector<Packet>& packets)
      : options_(options), packets_(packets) {
    six_ = !options.frames && packets[0].octets[0] >> 4 == 6;
    for (const Packet& packet : packets) {
      if (!options.frames && (packet.octets[0] >> 4 == 6) != six_) fail("one family in a file");
      if (!options.frames && packet.octets.size() < (six_ ? 40u : 20u)) fail("a short packet");
    }
    if (options.sourceFamily != 0 && (options.frames || (options.sourceFamily == 6) != six_)) {
      fail("--source is not of the packets' family");
    }
    fd_ = options.frames ? openFrames(options.device) : openRaw(options, six_);
  }

  void run() {
    const double start = now();
    const double end = start + options_.seconds;
    double at = start;
    while (stopped == 0 && sent_ + refused_ < options_.count) {
      at = now();
      if (at >= end) break;
      const double due = options_.rate == 0 ? 1e18 : (at - start) * options_.rate + 1;
      const double ahead = static_cast<double>(sent_ + refused_) + 1 - due;
      if (ahead > 0) {
        sleep(ahead / options_.rate);
        continue;
      }
      // After a stall the rate is not made up for by more than a few batches at once.
      sendBatch(-ahead + 1 < kBatch ? static_cast<int>(-ahead + 1) : kBatch);
    }
    std::printf("{\"sent\": %llu, \"refused\": %llu, \"seconds\": %.3f}\n",
                static_cast<unsigned long long>(sent_), static_cast<unsigned long long>(refused_),
                now() - start);
  }

 private:
  static double now() {
    timespec time;
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }

  // Waits for about half a batch at high rates: fewer wake-ups.
  void sleep(double seconds) {
    const double batch = kBatch / 2 / options_.rate;
    const double length = seconds < batch && batch < 0.001 ? batch : seconds;
    const timespec time{static_cast<time_t>(length),
                        static_cast<long>((length - static_cast<double>(
                                                        static_cast<time_t>(length))) * 1e9)};
    ::nanosleep(&time, nullptr);
  }

  void sendBatch(int count) {
    for (int index = 0; index < count; index++) {
      Packet& packet = batch_[index];
      packet = packets_[next_++ % packets_.size()];
      change(options_, packet);
      parts_[index] = {packet.octets.data(), packet.octets.size()};
      headers_[index] = {};
      msghdr& header = headers_[index].msg_hdr;
      header.msg_iov = &parts_[index];
      header.msg_iovlen = 1;
      if (!options_.frames) setDestination(header, index, packet.octets);
    }
    for (int done = 0; done < count;) {
      const int taken =
          ::sendmmsg(fd_, headers_ + done, static_cast<unsigned>(count - done), 0);
      if (taken > 0) {
        sent_ += static_cast<uint64_t>(taken);
        done += taken;
      } else {
        refused_++;
        done++;
      }
    }
  }

  void setDestination(msghdr& header, int index, const std::vector<uint8_t>& packet) {
    header.msg_name = &to_[index];
    if (six_) {
      auto& to = reinterpret_cast<sockaddr_in6&>(to_[index]);
      to = {};
      to.sin6_family = AF_INET6;
      std::memcpy(&to.sin6_addr, packet.data() + 24, 16);
      if (!options_.device.empty()) to.sin6_scope_id = ::if_nametoindex(options_.device.c_str());
      header.msg_namelen = sizeof to;
    } else {
      auto& to = reinterpret_cast<sockaddr_in&>(to_[index]);
      to = {};
      to.sin_family = AF_INET;
      std::memcpy(&to.sin_addr, packet.data() + 16, 4);
      header.msg_namelen = sizeof to;
    }
  }

  const Options& options_;
  const std::vector<Packet>& packets_;
  bool six_ = false;
  int fd_ = -1;
  uint64_t sent_ = 0;
  uint64_t refused_ = 0;
  size_t next_ = 0;
  Packet batch_[kBatch];
  mmsghdr headers_[kBatch];
  iovec parts_[kBatch];
  sockaddr_storage to_[kBatch];
};

}  // namespace

int main(int count, char** arguments) {
  const Options options = optionsOf(count, arguments);
  const std::vector<Packet> packets = packetsOf(options.file);
  timespec time;
  ::clock_gettime(CLOCK_REALTIME, &time);
  randomState ^= static_cast<uint64_t>(time.tv_nsec) << 20 ^ static_cast<uint64_t>(::getpid());
  struct sigaction action {};
  action.sa_handler = [](int) { stopped = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  Flood(options, packets).run();
}
