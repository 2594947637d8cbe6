// A value that most of many objects never need.
#pragma once
#include <atomic>
#include <memory>

namespace sojourn {

// Made at its first use, by whichever thread is the first. Takes a pointer until then.
template <class T>
class Lazy {
 public:
  Lazy() = default;
  ~Lazy() { delete value_.load(std::memory_order_relaxed); }
  Lazy(const Lazy&) = delete;
  Lazy& operator=(const Lazy&) = delete;

  // Null before the first use.
  const T* peek() const { return value_.load(std::memory_order_acquire); }
  T& get() {
    T* present = value_.load(std::memory_order_acquire);
    return present != nullptr ? *present : make();
  }

 private:
  T& make() {
    auto made = std::make_unique<T>();
    T* present = nullptr;
    if (!value_.compare_exchange_strong(present, made.get(), std::memory_order_acq_rel)) {
      return *present;
    }
    return *made.release();
  }

  std::atomic<T*> value_{nullptr};
};

}  // namespace sojourn
