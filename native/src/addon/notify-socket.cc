#include "addon/notify-socket.h"

#include <sys/time.h>
#include <sys/un.h>

#include <cstddef>

#include "base/descriptor.h"
#include "base/system-error.h"

namespace sojourn {
namespace {

// A service manager that is slow to read must not block the daemon.
constexpr suseconds_t kTimeoutMicroseconds = 200'000;

}  // namespace

void sendToNotifySocket(const std::string& name, const std::string& text) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() >= sizeof address.sun_path ||
      (name[0] != '/' && name[0] != '@')) {
    throw SystemError(EAFNOSUPPORT, "notification socket " + name);
  }
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());

  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) throw SystemError(errno, "notification socket");
  const timeval timeout{0, kTimeoutMicroseconds};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  const ssize_t sent = ::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), length);
  if (sent < 0) throw SystemError(errno, "notification socket " + name);
}

}  // namespace sojourn
