// Hash table for one writer at a time and any number of readers that never wait. Slots hold
// pointers to nodes with immutable keys; growth publishes a new array. Linear probing: a lookup
// usually touches one cache line of slots.
#pragma once
#include <atomic>
#include <new>

#include "base/bytes.h"
#include "base/epoch.h"

namespace sojourn {

// Node has `Key`, `static u64 hash(const Key&)`, `Key key() const`, `bool matches(const Key&)
// const` and `static void release(Node*)`.
template <class Node>
class HashTable {
 public:
  using Key = typename Node::Key;

  HashTable() = default;
  HashTable(const HashTable&) = delete;
  HashTable& operator=(const HashTable&) = delete;

  ~HashTable() {
    Array* array = array_.load();
    if (array == nullptr) return;
    for (u64 index = 0; index <= array->mask; index++) {
      Node* node = array->slots()[index].load();
      if (isNode(node)) Node::release(node);
    }
    Array::release(array);
  }

  Node* find(const Key& key) const {
    const Array* array = array_.load(std::memory_order_seq_cst);
    if (array == nullptr) return nullptr;
    for (u64 at = Node::hash(key) & array->mask;; at = (at + 1) & array->mask) {
      Node* node = array->slots()[at].load(std::memory_order_seq_cst);
      if (node == nullptr) return nullptr;
      if (node != tombstone() && node->matches(key)) return node;
    }
  }

  // Inserts `node`. A node with the same key is replaced and retired.
  void set(Node* node, EpochDomain& domain) {
    reserve(domain);
    Array* array = array_.load();
    const Key key = node->key();
    std::atomic<Node*>* free = nullptr;
    for (u64 at = Node::hash(key) & array->mask;; at = (at + 1) & array->mask) {
      Node* present = array->slots()[at].load();
      if (present == nullptr) {
        if (free == nullptr) {
          free = &array->slots()[at];
          used_++;
        }
        break;
      }
      if (present == tombstone()) {
        if (free == nullptr) free = &array->slots()[at];
      } else if (present->matches(key)) {
        array->slots()[at].store(node, std::memory_order_seq_cst);
        domain.retire(present);
        return;
      }
    }
    free->store(node, std::memory_order_seq_cst);
    live_++;
  }

  bool erase(const Key& key, EpochDomain& domain) {
    Array* array = array_.load();
    if (array == nullptr) return false;
    for (u64 at = Node::hash(key) & array->mask;; at = (at + 1) & array->mask) {
      Node* node = array->slots()[at].load();
      if (node == nullptr) return false;
      if (node == tombstone() || !node->matches(key)) continue;
      array->slots()[at].store(tombstone(), std::memory_order_seq_cst);
      live_--;
      domain.retire(node);
      return true;
    }
  }

  size_t size() const { return live_; }

  // For the writer only.
  template <class Visit>
  void forEach(Visit visit) const {
    const Array* array = array_.load();
    if (array == nullptr) return;
    for (u64 index = 0; index <= array->mask; index++) {
      Node* node = array->slots()[index].load();
      if (isNode(node)) visit(*node);
    }
  }

 private:
  struct Array {
    u64 mask;

    std::atomic<Node*>* slots() { return reinterpret_cast<std::atomic<Node*>*>(this + 1); }
    const std::atomic<Node*>* slots() const {
      return reinterpret_cast<const std::atomic<Node*>*>(this + 1);
    }

    static Array* make(u64 capacity) {
      void* memory = ::operator new(sizeof(Array) + capacity * sizeof(std::atomic<Node*>));
      auto* array = new (memory) Array{capacity - 1};
      for (u64 index = 0; index < capacity; index++) {
        new (&array->slots()[index]) std::atomic<Node*>(nullptr);
      }
      return array;
    }
    static void release(Array* array) { ::operator delete(array); }
  };

  static Node* tombstone() { return reinterpret_cast<Node*>(alignof(Node)); }
  static bool isNode(Node* node) { return node != nullptr && node != tombstone(); }

  // Keeps at least three slots in ten empty, which bounds the length of probes. The cost of growth
  // is amortised over the insertions.
  void reserve(EpochDomain& domain) {
    Array* old = array_.load();
    const u64 capacity = old == nullptr ? 0 : old->mask + 1;
    if ((used_ + 1) * 10 <= capacity * 7) return;
    u64 desired = 8;
    while (desired * 7 < (live_ + 1) * 10 * 3 / 2) desired *= 2;
    Array* array = Array::make(desired);
    for (u64 index = 0; index < capacity; index++) {
      Node* node = old->slots()[index].load();
      if (!isNode(node)) continue;
      u64 at = Node::hash(node->key()) & array->mask;
      while (array->slots()[at].load(std::memory_order_relaxed) != nullptr) {
        at = (at + 1) & array->mask;
      }
      array->slots()[at].store(node, std::memory_order_relaxed);
    }
    used_ = live_;
    array_.store(array, std::memory_order_seq_cst);
    domain.retire(old);
  }

  std::atomic<Array*> array_{nullptr};
  u64 live_ = 0;
  u64 used_ = 0;
};

}  // namespace sojourn
