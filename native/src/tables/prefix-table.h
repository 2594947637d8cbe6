// Longest prefix match: one hash table for each length, and a bitmap of the lengths in use. One
// writer, readers that never wait.
#pragma once
#include "base/bytes.h"
#include "base/epoch.h"
#include "base/hash-table.h"

namespace sojourn {

struct IpPrefix {
  int family = 6;
  unsigned length = 0;
  Address address;
};

// `address` with zeros behind the first `length` bits.
Address masked(const Address& address, unsigned length);

// Node is that of a HashTable whose key is the masked prefix.
template <class Node>
class PrefixTable {
 public:
  // --- writer ---
  Node* findExact(const IpPrefix& prefix) const {
    return tableOf(prefix.family, prefix.length).find(masked(prefix.address, prefix.length));
  }
  // Replaces the node of `prefix`.
  void set(const IpPrefix& prefix, Node* node, EpochDomain& domain) {
    HashTable<Node>& table = tableOf(prefix.family, prefix.length);
    table.set(node, domain);
    if (table.size() == 1) markLength(prefix, true);
  }
  void erase(const IpPrefix& prefix, EpochDomain& domain) {
    HashTable<Node>& table = tableOf(prefix.family, prefix.length);
    if (table.erase(masked(prefix.address, prefix.length), domain) && table.size() == 0) {
      markLength(prefix, false);
    }
  }

  // --- readers ---
  // The node of the longest prefix that holds the address; null: there is none.
  Node* find(int family, const u8* bytes) const {
    const Address address = Address::of(family, bytes);
    for (int word = family == 6 ? 2 : 0; word >= 0; word--) {
      u64 bits = usedWord(family, word).load(std::memory_order_seq_cst);
      while (bits != 0) {
        const int bit = 63 - __builtin_clzll(bits);
        bits &= ~(u64{1} << bit);
        const unsigned length = static_cast<unsigned>(word * 64 + bit);
        if (Node* found = tableOf(family, length).find(masked(address, length))) return found;
      }
    }
    return nullptr;
  }

 private:
  static constexpr int kLengths6 = 129;
  static constexpr int kLengths4 = 33;

  HashTable<Node>& tableOf(int family, unsigned length) {
    return family == 6 ? six_[length] : four_[length];
  }
  const HashTable<Node>& tableOf(int family, unsigned length) const {
    return family == 6 ? six_[length] : four_[length];
  }
  const std::atomic<u64>& usedWord(int family, int word) const {
    return family == 6 ? used6_[word] : used4_;
  }

  void markLength(const IpPrefix& prefix, bool used) {
    std::atomic<u64>& word = prefix.family == 6 ? used6_[prefix.length / 64] : used4_;
    const u64 bit = u64{1} << (prefix.length % 64);
    if (used) {
      word.fetch_or(bit, std::memory_order_seq_cst);
    } else {
      word.fetch_and(~bit, std::memory_order_seq_cst);
    }
  }

  HashTable<Node> six_[kLengths6];
  HashTable<Node> four_[kLengths4];
  std::atomic<u64> used6_[3] = {};
  std::atomic<u64> used4_{0};
};

}  // namespace sojourn
