// A failure of the operating system, with a remedy if there is one.
#pragma once
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace sojourn {

struct SystemError : std::runtime_error {
  SystemError(int number, const std::string& what, const std::string& remedy = "")
      : std::runtime_error(what + ": " + std::strerror(number) +
                           (remedy.empty() ? "" : " - " + remedy)),
        error(number) {}
  int error;
};

[[noreturn]] inline void throwSystemError(const std::string& what, const std::string& remedy = "") {
  throw SystemError(
      errno, what,
      errno == EPERM || errno == EACCES ? "needs CAP_NET_ADMIN and CAP_NET_RAW" : remedy);
}

}  // namespace sojourn
