#include "addon/marked-socket.h"

#include <netinet/in.h>

#include "base/descriptor.h"
#include "base/system-error.h"
#include "sockets/udp-socket.h"

namespace sojourn {

int openMarkedSocket(const MarkedSocketOptions& options) {
  const int type = options.stream ? SOCK_STREAM : SOCK_DGRAM;
  Descriptor socket(
      ::socket(options.family == 6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throwSystemError("marked socket");
  if (!setOption(socket.get(), SOL_SOCKET, SO_MARK, options.mark)) throwSystemError("SO_MARK");
  if (options.source != nullptr) {
    SocketAddress address;
    address.set(options.family, *options.source, 0);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), address.length) != 0) {
      throwSystemError("source address of a marked socket");
    }
  }
  return socket.release();
}

}  // namespace sojourn
