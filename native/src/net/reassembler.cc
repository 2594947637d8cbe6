#include "net/reassembler.h"

#include <algorithm>

#include "net/checksum.h"
#include "net/ecn.h"

namespace sojourn {
namespace {

constexpr u16 kMoreFragments = 0x2000;
constexpr u8 kEcnMask = 3;
constexpr u8 kCongestion = 3;

// RFC 7112: the first fragment has all headers. A tunnel's inner header is one of them.
u32 smallestFirst(u8 protocol) {
  if (protocol == kProtocolIpv6) return kIpv6Header;
  return protocol == kProtocolIpv4 ? kIpv4Header : 8;
}

Address prefixOf(const Address& address, u8 family) {
  Address prefix = address;
  const size_t kept = family == 6 ? 8 : 3;
  std::memset(prefix.bytes + kept, 0, sizeof prefix.bytes - kept);
  return prefix;
}

}  // namespace

bool Reassembler::describe6(const PacketView& packet, Key& key, Piece& piece) {
  const ChainEnd end = walkChain(packet.data, packet.length);
  if (end.malformed || !end.fragment) return false;
  const u8* header = packet.data + end.offset - 8;
  const u32 field = load16(header + 2);
  key.identification = load32(header + 4);
  piece.headerLength = end.offset - 8;
  piece.nextHeaderAt = end.nextHeaderAt;
  piece.protocol = end.protocol;
  piece.data = packet.data + end.offset;
  piece.begin = field & 0xfff8;
  piece.end = piece.begin + packet.length - end.offset;
  piece.last = (field & 1) == 0;
  return true;
}

bool Reassembler::describe4(const PacketView& packet, Key& key, Piece& piece) {
  if (!packet.fragment) return false;
  const u16 field = load16(packet.data + 6);
  key.identification = load16(packet.data + 4);
  key.protocol = packet.protocol;
  piece.headerLength = packet.headerLength;
  piece.protocol = packet.protocol;
  piece.data = packet.data + packet.headerLength;
  piece.begin = (field & 0x1fffu) * 8;
  piece.end = piece.begin + packet.length - packet.headerLength;
  piece.last = (field & kMoreFragments) == 0;
  return true;
}

// False for a fragment that no valid packet can have.
bool Reassembler::describe(const PacketView& packet, Key& key, Piece& piece) {
  key.family = packet.family;
  key.source = Address::of(packet.family, packet.source());
  key.destination = Address::of(packet.family, packet.destination());
  piece.trafficClass = packet.trafficClass;
  const bool fragment =
      packet.family == 6 ? describe6(packet, key, piece) : describe4(packet, key, piece);
  if (!fragment || piece.end <= piece.begin || piece.headerLength > kMaximumHeaders) return false;
  const u32 length = piece.end - piece.begin;
  if (!piece.last && length % 8 != 0) return false;
  // RFC 8200 §4.5: the payload length of the whole packet has to fit its field.
  const size_t inHeader = packet.family == 6 ? kIpv6Header : 0;
  if (piece.end + piece.headerLength - inHeader > kLargestPacket) return false;
  return piece.begin > 0 || length >= smallestFirst(piece.protocol);
}

Reassembler::Origin Reassembler::originOf(const Key& key, Source source) {
  return {.prefix = source == Source::farEnd ? key.source : prefixOf(key.source, key.family),
          .source = source};
}

std::vector<u8> Reassembler::add(const PacketView& packet, Source source, u64 nowMs) {
  expire(nowMs);
  Key key;
  Piece piece;
  const size_t largest = source == Source::farEnd ? kLargestPacket : kStrangersLargestPacket;
  if (!describe(packet, key, piece) || piece.end > largest) {
    counters_.add(Counters::dropFragment);
    return {};
  }
  const Entries::iterator entry = entryFor(key, source, nowMs);
  if (entry == entries_.end()) {
    counters_.add(Counters::dropFragmentFull);
    return {};
  }
  if (entry->refused) {
    counters_.add(Counters::dropFragmentOverlap);
  } else if (isExactDuplicate(*entry, piece)) {
    counters_.add(Counters::dropFragmentDuplicate);
  } else if (contradicts(*entry, piece) || entry->ranges.size() == kMaximumFragments) {
    counters_.add(Counters::dropFragmentOverlap);
    refuse(entry, Counters::dropFragmentOverlap);
  } else if (const size_t grown = std::max<size_t>(piece.end, entry->data.size());
             !charge(entry, grown - entry->data.size())) {
    counters_.add(Counters::dropFragmentFull);
    refuse(entry, Counters::dropFragmentFull);
  } else {
    store(*entry, piece);
    if (entry->total != 0 && entry->octets == entry->total) return finish(entry);
  }
  return {};
}

Reassembler::Entries::iterator Reassembler::entryFor(const Key& key, Source source, u64 nowMs) {
  const auto known = byKey_.find(key);
  if (known != byKey_.end()) return known->second;
  Entry entry;
  entry.key = key;
  entry.origin = originOf(key, source);
  entry.sinceMs = nowMs;
  const Entries::iterator added = entries_.insert(entries_.end(), std::move(entry));
  byKey_.emplace(key, added);
  if (charge(added, kEntryOctets)) return added;
  release(added);
  return entries_.end();
}

bool Reassembler::charge(Entries::iterator entry, size_t octets) {
  const Budget& budget = budgetOf(entry->origin.source);
  if (entry->charged + octets > budget.eachSource) return false;
  size_t& total = totals_[static_cast<size_t>(entry->origin.source)];
  while (charged_[entry->origin] + octets > budget.eachSource) {
    if (!evictOldest(entry, true)) return false;
  }
  while (total + octets > budget.total) {
    if (!evictOldest(entry, false)) return false;
  }
  charged_[entry->origin] += octets;
  total += octets;
  entry->charged += octets;
  return true;
}

// The oldest is the one least likely to be completed: the fragments of a packet arrive together.
bool Reassembler::evictOldest(Entries::iterator except, bool sameOrigin) {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry == except || entry->origin.source != except->origin.source) continue;
    if (sameOrigin && !(entry->origin == except->origin)) continue;
    counters_.add(Counters::dropFragmentFull, entry->ranges.size());
    release(entry);
    return true;
  }
  return false;
}

void Reassembler::release(Entries::iterator entry) {
  const auto charged = charged_.find(entry->origin);
  totals_[static_cast<size_t>(entry->origin.source)] -= entry->charged;
  if (charged != charged_.end() && (charged->second -= entry->charged) == 0) {
    charged_.erase(charged);
  }
  byKey_.erase(entry->key);
  entries_.erase(entry);
}

// Keeps the entry without its fragments until it expires.
void Reassembler::refuse(Entries::iterator entry, Counters::Name reason) {
  counters_.add(reason, entry->ranges.size());
  const size_t freed = entry->charged - kEntryOctets;
  charged_[entry->origin] -= freed;
  totals_[static_cast<size_t>(entry->origin.source)] -= freed;
  entry->charged = kEntryOctets;
  entry->refused = true;
  entry->data = {};
  entry->headers = {};
  entry->ranges = {};
}

bool Reassembler::isExactDuplicate(const Entry& entry, const Piece& piece) {
  const auto same = std::find_if(entry.ranges.begin(), entry.ranges.end(), [&](const Range& range) {
    return range.begin == piece.begin && range.end == piece.end;
  });
  return same != entry.ranges.end() && (entry.total == piece.end) == piece.last &&
         std::memcmp(entry.data.data() + piece.begin, piece.data, piece.end - piece.begin) == 0;
}

// True if the piece overlaps another, or they disagree about the end of the packet.
bool Reassembler::contradicts(const Entry& entry, const Piece& piece) {
  if (entry.total != 0 && (piece.last || piece.end > entry.total)) return true;
  if (piece.last && piece.end < entry.highest) return true;
  return std::any_of(entry.ranges.begin(), entry.ranges.end(), [&](const Range& range) {
    return range.begin < piece.end && piece.begin < range.end;
  });
}

void Reassembler::store(Entry& entry, const Piece& piece) {
  if (piece.end > entry.data.size()) entry.data.resize(piece.end);
  std::memcpy(entry.data.data() + piece.begin, piece.data, piece.end - piece.begin);
  entry.ranges.push_back({piece.begin, piece.end});
  entry.octets += piece.end - piece.begin;
  entry.highest = std::max(entry.highest, piece.end);
  if (piece.last) entry.total = piece.end;
  const u8 ecn = piece.trafficClass & kEcnMask;
  entry.congestion = entry.congestion || ecn == kCongestion;
  entry.notCapable = entry.notCapable || ecn == 0;
  if (piece.begin > 0) return;
  const u8* headers = piece.data - piece.headerLength;
  // In IPv6 the Fragment header lies between.
  if (entry.key.family == 6) headers -= 8;
  entry.headers.assign(headers, headers + piece.headerLength);
  entry.trafficClass = piece.trafficClass;
  if (entry.key.family == 6) entry.headers[piece.nextHeaderAt] = piece.protocol;
}

std::vector<u8> Reassembler::join(const Entry& entry) {
  std::vector<u8> whole;
  whole.reserve(entry.headers.size() + entry.data.size());
  whole.insert(whole.end(), entry.headers.begin(), entry.headers.end());
  whole.insert(whole.end(), entry.data.begin(), entry.data.end());
  if (entry.key.family == 6) {
    store16(whole.data() + 4, static_cast<u32>(whole.size() - kIpv6Header));
  } else {
    store16(whole.data() + 2, static_cast<u32>(whole.size()));
    store16(whole.data() + 6, 0);
    writeIpv4Checksum(whole.data(), entry.headers.size());
  }
  PacketView view;
  // RFC 3168 §5.3: a mark on one fragment marks the packet.
  if (entry.congestion && viewPacket(whole.data(), whole.size(), view)) setEcn(view, kCongestion);
  return whole;
}

std::vector<u8> Reassembler::finish(Entries::iterator entry) {
  std::vector<u8> whole;
  if (entry->congestion && entry->notCapable) {
    counters_.add(Counters::dropEcn);
  } else {
    counters_.add(Counters::reassembled);
    whole = join(*entry);
  }
  release(entry);
  return whole;
}

void Reassembler::expire(u64 nowMs) {
  while (!entries_.empty() && nowMs - entries_.front().sinceMs > kTimeoutMs) {
    counters_.add(Counters::dropFragmentExpired, entries_.front().ranges.size());
    release(entries_.begin());
  }
}

std::vector<u8> withoutAtomicHeader(const PacketView& packet, u32 fragmentAt, u32 nextHeaderAt) {
  std::vector<u8> whole(packet.data, packet.data + fragmentAt);
  whole[nextHeaderAt] = packet.data[fragmentAt];
  whole.insert(whole.end(), packet.data + fragmentAt + 8, packet.data + packet.length);
  store16(whole.data() + 4, static_cast<u32>(whole.size() - kIpv6Header));
  return whole;
}

}  // namespace sojourn
