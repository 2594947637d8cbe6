#pragma once
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace sojourn {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  // The caller owns the descriptor from here on.
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

inline bool setOption(int fd, int level, int option, int value = 1) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// The FORCE variants exceed the host's limits but need CAP_NET_ADMIN in the initial user namespace.
inline void requestBuffers(int fd, int octets) {
  if (!setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, octets)) {
    setOption(fd, SOL_SOCKET, SO_RCVBUF, octets);
  }
  if (!setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, octets)) {
    setOption(fd, SOL_SOCKET, SO_SNDBUF, octets);
  }
}

}  // namespace sojourn
