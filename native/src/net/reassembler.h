// Reassembly of outer packets and control packets that arrive in fragments (RFC 8200 §4.5, RFC 791
// §3.2). Fragments are not authenticated, so everything that they use is bounded: by source, in
// total, and in time. Fragments that overlap are refused (RFC 5722).
#pragma once
#include <list>
#include <unordered_map>
#include <vector>

#include "base/seeded-hash.h"
#include "net/packet.h"
#include "tables/counters.h"

namespace sojourn {

class Reassembler {
 public:
  // A source is trusted more if it is the far end of a tunnel.
  enum class Source : u8 { stranger, farEnd };

  // RFC 8200 §4.5 allows 60 s. IPv4 reuses an identification after 65,536 packets (RFC 4963), so a
  // shorter time also prevents wrong packets.
  static constexpr u64 kTimeoutMs = 5'000;

  explicit Reassembler(Counters& counters) : counters_(counters) {}

  // Adds the fragment `packet`. The whole packet, without Fragment header, or empty: more fragments
  // are needed, or this one was refused and counted.
  std::vector<u8> add(const PacketView& packet, Source source, u64 nowMs);
  // Forgets packets that stayed incomplete for too long.
  void expire(u64 nowMs);
  bool empty() const { return entries_.empty(); }

 private:
  static constexpr size_t kLargestPacket = 65535;
  // Enough for a control packet of the largest size (a Mobility Header of 2,048 octets).
  static constexpr size_t kStrangersLargestPacket = 4096;
  static constexpr size_t kMaximumHeaders = 512;
  static constexpr size_t kMaximumFragments = 160;
  static constexpr size_t kEntryOctets = 512;

  struct Budget {
    size_t eachSource;
    size_t total;
  };
  static constexpr Budget kStrangers{.eachSource = 16 << 10, .total = 256 << 10};
  static constexpr Budget kFarEnds{.eachSource = 512 << 10, .total = 4 << 20};

  struct Key {
    Address source;
    Address destination;
    u32 identification = 0;
    // IPv4 only: in IPv6 the fragments of a packet may differ in it (RFC 8200 §4.5).
    u8 protocol = 0;
    u8 family = 6;
    bool operator==(const Key& other) const {
      return source == other.source && destination == other.destination &&
             identification == other.identification && protocol == other.protocol &&
             family == other.family;
    }
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      const u64 rest = u64{key.identification} << 16 | u64{key.protocol} << 8 | key.family;
      return mixKey(mixKey(key.source.high(), key.source.low()) ^ rest,
                    key.destination.high() ^ key.destination.low());
    }
  };
  // Strangers share a budget by prefix: the addresses of one /64 or /24 belong to one site.
  struct Origin {
    Address prefix;
    Source source = Source::stranger;
    bool operator==(const Origin& other) const {
      return prefix == other.prefix && source == other.source;
    }
  };
  struct OriginHash {
    size_t operator()(const Origin& origin) const {
      return mixKey(origin.prefix.high(), origin.prefix.low() + static_cast<u64>(origin.source));
    }
  };

  // One fragment as its headers describe it.
  struct Piece {
    const u8* data = nullptr;
    u32 begin = 0;
    u32 end = 0;
    bool last = false;
    // The headers in front of it, and the place there of the number of the header behind them.
    u32 headerLength = 0;
    u32 nextHeaderAt = 0;
    u8 protocol = 0;
    u8 trafficClass = 0;
  };
  struct Range {
    u32 begin;
    u32 end;
  };
  struct Entry {
    Key key;
    Origin origin;
    u64 sinceMs = 0;
    // Fragments overlapped; those that still come are refused too (RFC 5722 §4).
    bool refused = false;
    u8 trafficClass = 0;
    bool congestion = false;
    bool notCapable = false;
    u32 octets = 0;
    u32 total = 0;  // 0: the last fragment is missing
    u32 highest = 0;
    size_t charged = 0;
    std::vector<u8> headers;
    std::vector<u8> data;
    std::vector<Range> ranges;
  };
  using Entries = std::list<Entry>;

  static bool describe(const PacketView& packet, Key& key, Piece& piece);
  static bool describe6(const PacketView& packet, Key& key, Piece& piece);
  static bool describe4(const PacketView& packet, Key& key, Piece& piece);
  static Origin originOf(const Key& key, Source source);
  static const Budget& budgetOf(Source source) {
    return source == Source::farEnd ? kFarEnds : kStrangers;
  }
  static bool isExactDuplicate(const Entry& entry, const Piece& piece);
  static bool contradicts(const Entry& entry, const Piece& piece);
  static void store(Entry& entry, const Piece& piece);
  static std::vector<u8> join(const Entry& entry);

  Entries::iterator entryFor(const Key& key, Source source, u64 nowMs);
  // Makes room for `octets` more of the entry; false: there is none even without older entries.
  bool charge(Entries::iterator entry, size_t octets);
  bool evictOldest(Entries::iterator except, bool sameOrigin);
  void release(Entries::iterator entry);
  void refuse(Entries::iterator entry, Counters::Name reason);
  std::vector<u8> finish(Entries::iterator entry);

  Counters& counters_;
  // Oldest first.
  Entries entries_;
  std::unordered_map<Key, Entries::iterator, KeyHash> byKey_;
  std::unordered_map<Origin, size_t, OriginHash> charged_;
  size_t totals_[2] = {0, 0};
};

// The IPv6 packet without the Fragment header of an atomic fragment (RFC 6946), which is at
// `fragmentAt`. `nextHeaderAt`: where the header before it names it.
std::vector<u8> withoutAtomicHeader(const PacketView& packet, u32 fragmentAt, u32 nextHeaderAt);

}  // namespace sojourn
