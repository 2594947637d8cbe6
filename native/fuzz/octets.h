// Takes structured choices from the front of a fuzzer's input.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/bytes.h"

namespace sojourn::fuzz {

class Octets {
 public:
  Octets(const u8* data, size_t size) : data_(data), size_(size) {}

  bool empty() const { return size_ == 0; }
  u8 next() {
    if (size_ == 0) return 0;
    size_--;
    return *data_++;
  }
  u16 next16() { return static_cast<u16>(next() << 8 | next()); }
  // A heap copy of exactly this size, so that the sanitizer detects an overrun by one octet.
  std::vector<u8> take(size_t size) {
    const size_t count = std::min(size, size_);
    std::vector<u8> taken(data_, data_ + count);
    data_ += count;
    size_ -= count;
    taken.shrink_to_fit();
    return taken;
  }
  std::vector<u8> rest() { return take(size_); }

 private:
  const u8* data_;
  size_t size_;
};

inline void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace sojourn::fuzz
