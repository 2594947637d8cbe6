// Quiescent-state reclamation (QSBR). Packet threads read the tables without locks; an object that
// a writer removes is freed once no packet thread can still hold a pointer to it. A thread that
// sleeps in epoll is offline and never delays a writer.
#pragma once
#include <atomic>
#include <deque>
#include <mutex>

#include "base/bytes.h"

namespace sojourn {

class EpochDomain {
 public:
  static constexpr u64 kOffline = ~u64{0};
  static constexpr int kMaximumReaders = 64;

  // This store and the loads of the tables are sequentially consistent. Otherwise the store could
  // pass a later load of a pointer (Dekker), and a writer that saw the reader offline would free
  // the object that the reader is about to follow.
  class Reader {
   public:
    void online(const EpochDomain& domain) {
      seen_.store(domain.global_.load(), std::memory_order_seq_cst);
    }
    void quiescent(const EpochDomain& domain) { online(domain); }
    void offline() { seen_.store(kOffline, std::memory_order_seq_cst); }
    u64 seen() const { return seen_.load(std::memory_order_seq_cst); }

   private:
    alignas(64) std::atomic<u64> seen_{kOffline};
  };

  ~EpochDomain() {
    for (const Retired& retired : retired_) retired.release(retired.object);
  }

  Reader& addReader() { return readers_[count_.fetch_add(1)]; }

  // All reading threads have ended.
  void removeReaders() { count_.store(0); }

  // To be called by writers, after readers can no longer find `object`. The caller holds the
  // writers' lock.
  template <class T>
  void retire(T* object) {
    if (object == nullptr) return;
    const u64 epoch = global_.fetch_add(1, std::memory_order_seq_cst) + 1;
    retired_.push_back(
        {epoch, object, [](void* pointer) { T::release(static_cast<T*>(pointer)); }});
    reclaim();
  }

  // Frees the objects that no reader can hold, oldest first. The caller holds the writers' lock.
  void reclaim() {
    if (retired_.empty()) return;
    u64 oldest = kOffline;
    for (int index = 0; index < count_.load(); index++) {
      const u64 seen = readers_[index].seen();
      if (seen < oldest) oldest = seen;
    }
    while (!retired_.empty() && retired_.front().epoch <= oldest) {
      retired_.front().release(retired_.front().object);
      retired_.pop_front();
    }
  }

 private:
  struct Retired {
    u64 epoch;
    void* object;
    void (*release)(void*);
  };

  std::atomic<u64> global_{1};
  std::atomic<int> count_{0};
  Reader readers_[kMaximumReaders];
  std::deque<Retired> retired_;
};

}  // namespace sojourn
