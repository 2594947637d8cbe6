// Address pairs of the translation between IPv4 and IPv6 (RFC 7757). A pair has an inner address,
// on the side of the tunnels, and an outer one. Near pairs are the nodes' own addresses; far pairs
// are those that nodes send to. Written under the tables' lock.
#pragma once
#include <atomic>

#include "base/hash-table.h"
#include "base/seeded-hash.h"
#include "translate/translate.h"

namespace sojourn {

struct TranslationSpec {
  bool far = false;
  // Of `inner`; `outer` has the other one.
  u8 family = 4;
  Address inner;
  Address outer;
};

// An address and its counterpart in the other family.
struct Mapping {
  struct Key {
    u8 family;
    Address address;
    bool operator==(const Key& other) const {
      return family == other.family && address == other.address;
    }
  };

  Key from;
  Address to;

  Key key() const { return from; }
  bool matches(const Key& other) const { return from == other; }
  static u64 hash(const Key& key) {
    return mixKey(key.address.high() ^ key.family, key.address.low());
  }
  static void release(Mapping* mapping) { delete mapping; }
};

enum class TranslationDirection : u8 { innerToOuter, outerToInner };

class TranslationTable {
 public:
  // --- writers ---
  // Replaces pairs of the same side that have one of the two addresses.
  void set(const TranslationSpec& spec, EpochDomain& domain);
  void erase(const TranslationSpec& spec, EpochDomain& domain);

  // --- readers ---
  bool any() const { return count_.load(std::memory_order_relaxed) != 0; }
  // The mapping of a packet's source, and that of its destination; null: no pair has the address.
  const Mapping* source(TranslationDirection direction, u8 family, const u8* address) const {
    const bool outward = direction == TranslationDirection::innerToOuter;
    return find(outward ? near_.byInner : far_.byOuter, family, address);
  }
  const Mapping* destination(TranslationDirection direction, u8 family, const u8* address) const {
    const bool outward = direction == TranslationDirection::innerToOuter;
    return find(outward ? far_.byInner : near_.byOuter, family, address);
  }

 private:
  struct Side {
    HashTable<Mapping> byInner;
    HashTable<Mapping> byOuter;
  };

  static const Mapping* find(const HashTable<Mapping>& table, u8 family, const u8* address) {
    return table.find({.family = family, .address = Address::of(family, address)});
  }
  Side& side(bool far) { return far ? far_ : near_; }
  void remove(Side& side, const Mapping::Key& inner, const Mapping::Key& outer,
              EpochDomain& domain);

  Side near_;
  Side far_;
  std::atomic<u64> count_{0};
};

// The pairs as translate() looks them up, for packets of one direction.
class DirectedAddressPairs final : public AddressPairs {
 public:
  DirectedAddressPairs(const TranslationTable& translations, TranslationDirection direction)
      : translations_(translations), direction_(direction) {}

  // The packet that an ICMP error quotes went in the other direction: its source is looked up as a
  // destination first.
  bool counterpart(u8 family, const u8* address, Address& other) const override {
    const Mapping* found = translations_.destination(direction_, family, address);
    if (found == nullptr) found = translations_.source(direction_, family, address);
    if (found != nullptr) other = found->to;
    return found != nullptr;
  }

 private:
  const TranslationTable& translations_;
  const TranslationDirection direction_;
};

enum class TranslationPlan : u8 {
  none,      // not for translation
  unmapped,  // the destination has a pair, the source has none
  translate,
};

// Whether `packet` is to be translated, and to which addresses. An ICMP error from a router without
// a pair gets the source that the quoted packet was sent to, an address that the receiver knows
// (RFC 6791 leaves the choice).
TranslationPlan planTranslation(const TranslationTable& translations,
                                TranslationDirection direction, const PacketView& packet,
                                TranslationTarget& target);

}  // namespace sojourn
