// Address pairs of the translation between families (RFC 7757): `far` ones are what nodes in
// tunnels send to, `near` ones are the nodes' own. Inner is the tunnel's side, outer the other.
// Written under the tables' lock.
#pragma once
#include <atomic>

#include "base/hash-table.h"
#include "base/seeded-hash.h"
#include "translate/translate.h"

namespace sojourn {

struct TranslationSpec {
  bool far = false;
  // Of `inner`; `outer` is of the other one.
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

// Of packets: from the tunnels' side to the other, and back.
enum class Crossing : u8 { toOuter, toInner };

class Translations {
 public:
  // --- writers ---
  // Pairs that had one of the addresses on the same side go.
  void set(const TranslationSpec& spec, EpochDomain& domain);
  void erase(const TranslationSpec& spec, EpochDomain& domain);

  // --- readers ---
  bool any() const { return count_.load(std::memory_order_relaxed) != 0; }
  // What the source and the destination of a packet become; null: no pair has it.
  const Mapping* source(Crossing crossing, u8 family, const u8* address) const {
    return (crossing == Crossing::toOuter ? near_.byInner : far_.byOuter)
        .find({family, Address::of(family, address)});
  }
  const Mapping* destination(Crossing crossing, u8 family, const u8* address) const {
    return (crossing == Crossing::toOuter ? far_.byInner : near_.byOuter)
        .find({family, Address::of(family, address)});
  }

 private:
  struct Side {
    HashTable<Mapping> byInner;
    HashTable<Mapping> byOuter;
  };

  Side& side(bool far) { return far ? far_ : near_; }
  void forget(Side& side, const Mapping::Key& inner, const Mapping::Key& outer,
              EpochDomain& domain);

  Side near_;
  Side far_;
  std::atomic<u64> count_{0};
};

// The pairs as translate() asks for them.
class CrossingPairs final : public AddressPairs {
 public:
  CrossingPairs(const Translations& translations, Crossing crossing)
      : translations_(translations), crossing_(crossing) {}

  // What an error quotes went the other way: its source is what the error is for, or the other end.
  bool counterpart(u8 family, const u8* address, Address& other) const override {
    const Mapping* found = translations_.destination(crossing_, family, address);
    if (found == nullptr) found = translations_.source(crossing_, family, address);
    if (found != nullptr) other = found->to;
    return found != nullptr;
  }

 private:
  const Translations& translations_;
  const Crossing crossing_;
};

enum class Planned : u8 {
  no,        // not for translation
  unmapped,  // the destination has a pair, the source has none
  yes,
};

// Whether `packet` is to be translated, and what its addresses become. An ICMP error from a router
// without a pair comes from the address that what it quotes was for (RFC 6791 leaves the choice):
// the one that the other end has heard of.
Planned planTranslation(const Translations& translations, Crossing crossing,
                        const PacketView& packet, TranslationTarget& target);

}  // namespace sojourn
