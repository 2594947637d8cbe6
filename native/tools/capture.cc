// sojourn-capture: captures the packets of an interface, in both directions, into a pcap file with
// nanosecond time stamps.
//
//   sojourn-capture --interface IF --file FILE [--snap-length OCTETS]
//
// For the lab's tests, which cannot use tcpdump: as root of a user namespace it fails to change to
// its own user, and it loses the packets that are in its ring when it ends. This program prints
// "ready" once it captures, and on SIGTERM or SIGINT writes all packets that passed before it ends.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <vector>

namespace {

constexpr std::uint32_t kSnapLength = 262'144;
constexpr std::uint32_t kLinkTypeEthernet = 1;
constexpr std::uint32_t kLinkTypeRaw = 101;
constexpr int kSocketBuffer = 64 * 1024 * 1024;

// draft-ietf-opsawg-pcap §4 and §5, in host byte order.
struct FileHeader {
  std::uint32_t magic = 0xa1b23c4d;
  std::uint16_t major = 2;
  std::uint16_t minor = 4;
  std::uint32_t reserved1 = 0;
  std::uint32_t reserved2 = 0;
  std::uint32_t snap_length;
  std::uint32_t link_type;
};

struct PacketHeader {
  std::uint32_t seconds;
  std::uint32_t nanoseconds;
  std::uint32_t captured;
  std::uint32_t original;
};

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "sojourn-capture: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int open_interface(const char* name) {
  const unsigned index = if_nametoindex(name);
  if (index == 0) die(name);
  const int socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) die("packet socket");
  if (setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer) < 0 &&
      setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer) < 0) {
    die("SO_RCVBUF");
  }
  const int on = 1;
  if (setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0) die("SO_TIMESTAMPNS");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(index);
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) die("bind");
  return socket;
}

// A TUN device has no link header.
std::uint32_t link_type(int socket, const char* name) {
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(socket, SIOCGIFHWADDR, &request) < 0) die("SIOCGIFHWADDR");
  const auto type = request.ifr_hwaddr.sa_family;
  return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK ? kLinkTypeEthernet : kLinkTypeRaw;
}

timespec time_stamp(msghdr& message) {
  timespec time{};
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
       each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_TIMESTAMPNS) {
      std::memcpy(&time, CMSG_DATA(each), sizeof time);
    }
  }
  return time;
}

void write_all(std::FILE* file, const void* octets, std::size_t size) {
  if (std::fwrite(octets, 1, size, file) != size) die("write");
}

// Writes all packets that are in the socket.
void drain(int socket, std::FILE* file, std::vector<std::uint8_t>& buffer) {
  for (;;) {
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, 256> control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(socket, &message, MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == ENETDOWN)) break;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) die("receive");
    const timespec time = time_stamp(message);
    const auto original = static_cast<std::uint32_t>(size);
    const auto captured = std::min(original, static_cast<std::uint32_t>(buffer.size()));
    const PacketHeader header{static_cast<std::uint32_t>(time.tv_sec),
                              static_cast<std::uint32_t>(time.tv_nsec), captured, original};
    write_all(file, &header, sizeof header);
    write_all(file, buffer.data(), captured);
  }
  if (std::fflush(file) != 0) die("write");
}

int block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int each : {SIGTERM, SIGINT}) sigaddset(&set, each);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

void report_drops(int socket) {
  tpacket_stats statistics{};
  socklen_t size = sizeof statistics;
  if (getsockopt(socket, SOL_PACKET, PACKET_STATISTICS, &statistics, &size) < 0) {
    die("PACKET_STATISTICS");
  }
  std::printf("captured=%u dropped=%u\n", statistics.tp_packets - statistics.tp_drops,
              statistics.tp_drops);
}

}  // namespace

int main(int argc, char** argv) {
  const bool limited = argc == 7 && std::string_view(argv[5]) == "--snap-length";
  const unsigned long snap_length = limited ? std::strtoul(argv[6], nullptr, 10) : kSnapLength;
  if ((argc != 5 && !limited) || std::string_view(argv[1]) != "--interface" ||
      std::string_view(argv[3]) != "--file" || snap_length == 0 || snap_length > kSnapLength) {
    std::fprintf(stderr,
                 "usage: sojourn-capture --interface IF --file FILE [--snap-length OCTETS]\n");
    return 64;
  }
  const int signals = block_signals();
  const int socket = open_interface(argv[2]);
  std::FILE* file = std::fopen(argv[4], "wb");
  if (file == nullptr) die(argv[4]);
  FileHeader header{.snap_length = static_cast<std::uint32_t>(snap_length),
                    .link_type = link_type(socket, argv[2])};
  write_all(file, &header, sizeof header);
  if (std::fflush(file) != 0) die("write");
  std::printf("ready\n");
  std::fflush(stdout);
  std::vector<std::uint8_t> buffer(snap_length);
  std::array<pollfd, 2> waits{pollfd{socket, POLLIN, 0}, pollfd{signals, POLLIN, 0}};
  while (poll(waits.data(), waits.size(), -1) >= 0 || errno == EINTR) {
    drain(socket, file, buffer);
    if ((waits[1].revents & POLLIN) != 0) break;
  }
  report_drops(socket);
  return std::fclose(file) == 0 ? 0 : 1;
}
