// The functions of a digest alone, as in short-hmac.cc.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "control/registration-check.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <unordered_map>

#include "base/seeded-hash.h"
#include "net/home-address.h"

namespace sojourn {
namespace {

constexpr size_t kBlock = 64;
constexpr size_t kLongestDigest = SHA256_DIGEST_LENGTH;
constexpr u8 kBindingUpdate = 5;
constexpr u8 kBindingAcknowledgement = 6;
// Both messages have their options here, counted from the Mobility Header.
constexpr u32 kOptions = 12;
constexpr u8 kPad1 = 0;
constexpr u8 kAlternateCareOf = 3;
constexpr u8 kIdentifier = 8;
constexpr u8 kAuthentication = 9;
// MN-NAI of RFC 4283, MN-HA of RFC 4285.
constexpr u8 kSubtype = 1;
// Type, length, subtype and SPI of the authentication option.
constexpr u32 kBeforeAuthenticator = 7;

struct Key {
  bool sha256;
  u64 number;
  // RFC 2104 §2: at most a block.
  u8 octets[kBlock];
};

// What a message says about its key, as pointers into its packet.
struct Claim {
  const u8* header = nullptr;
  u32 covered = 0;  // the header's octets in front of the authenticator
  u32 spi = 0;
  const u8* authenticator = nullptr;
  u32 length = 0;
  const u8* identifier = nullptr;
  u32 identifierLength = 0;
  const u8* careOf = nullptr;
  const u8* home = nullptr;
};

u64 hashOctets(u64 seed, const u8* data, size_t length) {
  u64 hash = mixKey(seed, length);
  for (size_t at = 0; at < length; at += 8) {
    u64 word = 0;
    std::memcpy(&word, data + at, length - at < 8 ? length - at : 8);
    hash = mixKey(hash, word);
  }
  return hash;
}

u64 byIdentifier(u32 spi, const u8* identifier, size_t length) {
  return hashOctets(u64{spi} << 8 | 1, identifier, length);
}
u64 byHome(u32 spi, const u8* home) { return hashOctets(u64{spi} << 8 | 2, home, 16); }
u64 bySpi(u32 spi) { return mixKey(u64{spi} << 8 | 3, 0); }

struct Sha1 {
  static constexpr size_t kDigest = SHA_DIGEST_LENGTH;
  SHA_CTX state;
  void start() { SHA1_Init(&state); }
  void add(const u8* data, size_t length) { SHA1_Update(&state, data, length); }
  void end(u8* digest) { SHA1_Final(digest, &state); }
};
struct Sha256 {
  static constexpr size_t kDigest = SHA256_DIGEST_LENGTH;
  SHA256_CTX state;
  void start() { SHA256_Init(&state); }
  void add(const u8* data, size_t length) { SHA256_Update(&state, data, length); }
  void end(u8* digest) { SHA256_Final(digest, &state); }
};

template <class Digest>
void startHmac(Digest& digest, const Key& key, u8 mask) {
  u8 block[kBlock];
  for (size_t at = 0; at < kBlock; at++) block[at] = static_cast<u8>(key.octets[at] ^ mask);
  digest.start();
  digest.add(block, sizeof block);
}

// Over care-of address | home address | Mobility Header with a checksum of zero.
template <class Digest>
void authenticatorOf(const Key& key, const Claim& claim, u8 (&result)[kLongestDigest]) {
  static constexpr u8 kNoChecksum[2] = {};
  Digest digest;
  startHmac(digest, key, 0x36);
  digest.add(claim.careOf, 16);
  digest.add(claim.home, 16);
  digest.add(claim.header, 4);
  digest.add(kNoChecksum, 2);
  digest.add(claim.header + 6, claim.covered - 6);
  digest.end(result);
  startHmac(digest, key, 0x5c);
  digest.add(result, Digest::kDigest);
  digest.end(result);
}

bool verify(const Key& key, const Claim& claim) {
  u8 expected[kLongestDigest];
  if (key.sha256) {
    authenticatorOf<Sha256>(key, claim, expected);
  } else {
    authenticatorOf<Sha1>(key, claim, expected);
  }
  const u32 length = key.sha256 ? 16 : 12;
  return claim.length == length && CRYPTO_memcmp(expected, claim.authenticator, length) == 0;
}

// Up to the MN-HA option.
bool readOptions(const u8* header, u32 end, Claim& claim) {
  for (u32 at = kOptions; at < end;) {
    const u8 type = header[at];
    if (type == kPad1) {
      at++;
      continue;
    }
    if (at + 2 > end) return false;
    const u32 length = header[at + 1];
    const u8* value = header + at + 2;
    if (at + 2 + length > end) return false;
    if (type == kAlternateCareOf && length == 16 && claim.careOf == nullptr) {
      claim.careOf = value;
    } else if (type == kIdentifier && length > 1 && value[0] == kSubtype) {
      claim.identifier = value + 1;
      claim.identifierLength = length - 1;
    } else if (type == kAuthentication && length > 5 && value[0] == kSubtype) {
      claim.header = header;
      claim.covered = at + kBeforeAuthenticator;
      claim.spi = load32(value + 1);
      claim.authenticator = value + 5;
      claim.length = length - 5;
      return true;
    }
    at += 2 + length;
  }
  return false;
}

bool readClaim(const PacketView& packet, Claim& claim) {
  if (packet.family != 6) return false;
  const ChainEnd end = walkChain(packet.data, packet.length);
  if (end.malformed || end.fragment || end.protocol != kProtocolMobility) return false;
  if (packet.length < end.offset + kOptions) return false;
  const u8* header = packet.data + end.offset;
  const u32 length = 8 * (u32{header[1]} + 1);
  const u8 type = header[2];
  if (packet.length < end.offset + length) return false;
  if (type != kBindingUpdate && type != kBindingAcknowledgement) return false;
  if (!readOptions(header, length, claim)) return false;
  const bool update = type == kBindingUpdate;
  const u8* mobileEnd = update ? packet.source() : packet.destination();
  if (claim.careOf == nullptr) claim.careOf = mobileEnd;
  claim.home = mobileEnd;
  HomeAddressHeaders headers;
  if (!findHomeAddressHeaders(packet, headers)) return false;
  if (update && headers.optionAt != 0) claim.home = optionAddress(packet, headers);
  if (!update && headers.routingAt != 0) claim.home = routingAddress(packet, headers);
  return true;
}

}  // namespace

// By seeded hashes of 64 bits, so that an attacker cannot choose two that collide.
struct RegistrationCheck::Table {
  struct AsItIs {
    size_t operator()(u64 key) const { return key; }
  };
  std::vector<Key> keys;
  std::unordered_map<u64, u32, AsItIs> found;

  void add(const RegistrationKeySpec& spec) {
    Key key{.sha256 = spec.sha256, .number = keys.size() + 1, .octets = {}};
    if (spec.key.size() > kBlock) {
      if (spec.sha256) {
        SHA256(spec.key.data(), spec.key.size(), key.octets);
      } else {
        SHA1(spec.key.data(), spec.key.size(), key.octets);
      }
    } else {
      std::copy(spec.key.begin(), spec.key.end(), key.octets);
    }
    const u32 at = static_cast<u32>(keys.size());
    keys.push_back(key);
    if (!spec.identifier.empty()) {
      const auto* text = reinterpret_cast<const u8*>(spec.identifier.data());
      found[byIdentifier(spec.spi, text, spec.identifier.size())] = at;
    }
    for (const Address& home : spec.homeAddresses) found[byHome(spec.spi, home.bytes)] = at;
    found.try_emplace(bySpi(spec.spi), at);
  }

  const Key* keyOf(const Claim& claim) const {
    auto at = found.end();
    if (claim.identifier != nullptr) {
      at = found.find(byIdentifier(claim.spi, claim.identifier, claim.identifierLength));
    } else {
      at = found.find(byHome(claim.spi, claim.home));
      if (at == found.end()) at = found.find(bySpi(claim.spi));
    }
    return at == found.end() ? nullptr : &keys[at->second];
  }
};

RegistrationCheck::RegistrationCheck() = default;
RegistrationCheck::~RegistrationCheck() = default;

void RegistrationCheck::set(const std::vector<RegistrationKeySpec>& keys) {
  std::shared_ptr<Table> made;
  if (!keys.empty()) {
    made = std::make_shared<Table>();
    made->keys.reserve(keys.size());
    for (const RegistrationKeySpec& spec : keys) made->add(spec);
  }
  const std::lock_guard<std::mutex> guard(mutex_);
  table_ = std::move(made);
}

std::shared_ptr<const RegistrationCheck::Table> RegistrationCheck::table() const {
  const std::lock_guard<std::mutex> guard(mutex_);
  return table_;
}

RegistrationVerdict RegistrationCheck::check(const PacketView& packet) const {
  using Kind = RegistrationVerdict::Kind;
  const std::shared_ptr<const Table> keys = table();
  Claim claim;
  if (keys == nullptr || !readClaim(packet, claim)) return {};
  const Key* key = keys->keyOf(claim);
  if (key == nullptr) return {};
  if (!verify(*key, claim)) return {.kind = Kind::forged};
  return {.kind = Kind::authentic, .key = key->number};
}

}  // namespace sojourn
