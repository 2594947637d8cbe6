#include "sockets/tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "base/system-error.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace sojourn {
namespace {

// Room for bursts of small packets while the packet thread writes. With the default of 500 a
// machine with two cores loses some.
constexpr int kQueueLength = 2000;

ifreq requestFor(const std::string& name) {
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  return request;
}

// Otherwise the kernel gives the device a link-local address and sends its own neighbour discovery
// into tunnels.
void disableAddressGeneration(const std::string& name) {
  const std::string path = "/proc/sys/net/ipv6/conf/" + name + "/addr_gen_mode";
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file && ::write(file.get(), "1", 1) < 0) return;
}

}  // namespace

Tun::Tun(const std::string& name, int mtu, int queues) {
  for (int index = 0; index < queues; index++) {
    queues_.push_back(openQueue(name, queues > 1, index == 0));
  }
  bringUp(name, mtu);
}

Descriptor Tun::openQueue(const std::string& name, bool several, bool first) {
  Descriptor queue(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!queue) {
    const bool missing = errno == ENOENT || errno == ENODEV || errno == ENXIO;
    throwSystemError("/dev/net/tun",
                     missing ? "modprobe tun, or give the container --device /dev/net/tun" : "");
  }
  ifreq request = requestFor(name);
  // IFF_TUN_EXCL: an existing device belongs to another daemon, and the two would share its
  // packets.
  const int flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (several ? IFF_MULTI_QUEUE : 0) |
                    (first ? IFF_TUN_EXCL : 0);
  request.ifr_flags = static_cast<short>(flags);
  if (::ioctl(queue.get(), TUNSETIFF, &request) != 0) {
    const bool taken = errno == EBUSY || errno == EINVAL;
    const std::string remedy = "the name is taken: ip link show " + name +
                               " shows by what; remove or rename that device, or set another "
                               "name in daemon.device";
    throwSystemError("device " + name, taken ? remedy : "");
  }
  const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  // Linux 6.2 brought UDP segmentation. An unknown flag makes the kernel refuse all of them.
  features_.udp = ::ioctl(queue.get(), TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0;
  features_.tcp = features_.udp || ::ioctl(queue.get(), TUNSETOFFLOAD, tcp) == 0;
  return queue;
}

void Tun::bringUp(const std::string& name, int mtu) {
  const Descriptor any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = requestFor(name);
  request.ifr_mtu = mtu;
  if (::ioctl(any.get(), SIOCSIFMTU, &request) != 0) throwSystemError("MTU of " + name);
  request = requestFor(name);
  request.ifr_qlen = kQueueLength;
  // Only the initial user namespace may set it (dev_ioctl.c). In the namespace of an ordinary user
  // the shorter default stays.
  if (::ioctl(any.get(), SIOCSIFTXQLEN, &request) != 0 && errno != EPERM) {
    throwSystemError("queue length of " + name);
  }
  disableAddressGeneration(name);
  request = requestFor(name);
  if (::ioctl(any.get(), SIOCGIFFLAGS, &request) != 0) throwSystemError("flags of " + name);
  request.ifr_flags |= IFF_UP;
  if (::ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) throwSystemError("link up of " + name);
  index_ = static_cast<int>(::if_nametoindex(name.c_str()));
}

}  // namespace sojourn
