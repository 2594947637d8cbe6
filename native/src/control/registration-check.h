// The authenticator of a Binding Update or Acknowledgement (RFC 4285 §5.1), before JavaScript sees
// it: it tells who has a key of this host's from who writes a known address on its packets. The
// result decides the order of service alone; the engine verifies what it accepts.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/packet.h"

namespace sojourn {

struct RegistrationKeySpec {
  u32 spi = 0;
  bool sha256 = true;  // HMAC-SHA256-128; otherwise HMAC-SHA1-96
  std::vector<u8> key;
  // What messages name the key's owner by: a network access identifier, or home addresses.
  std::string identifier;
  std::vector<Address> homeAddresses;
};

struct RegistrationVerdict {
  enum class Kind : u8 {
    unknown,    // no such message, or none that names a key of this host's
    forged,     // it names a key that did not make its authenticator
    authentic,  // or a copy of an authentic one
  };
  Kind kind = Kind::unknown;
  // Of an authentic message: the number of its key.
  u64 key = 0;
};

class RegistrationCheck {
 public:
  RegistrationCheck();
  ~RegistrationCheck();

  void set(const std::vector<RegistrationKeySpec>& keys);
  // Any thread. `packet` is a whole IPv6 packet.
  RegistrationVerdict check(const PacketView& packet) const;

 private:
  struct Table;
  std::shared_ptr<const Table> table() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const Table> table_;
};

}  // namespace sojourn
