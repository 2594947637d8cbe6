#include "seal/sealing-key.h"

#include "base/seeded-hash.h"

namespace sojourn {

bool SendKey::seal(unsigned slot, u8* datagram, size_t length) {
  const u64 value = counter->next();
  if (value == 0) return false;
  store32(datagram, firstWord(DatagramType::data, spi));
  store32(datagram + 4, static_cast<u32>(value));
  return contexts.of(slot).seal(value, datagram, length);
}

u64 SendKey::hash(Key key) { return mixKey(key, 1); }

OpenResult ReceiveKey::open(unsigned slot, u8* datagram, size_t length) {
  if (length <= kSealedOverhead) return OpenResult::malformed;
  const u64 counter = recoverCounter(window->top(), load32(datagram + 4));
  if (!window->mayAccept(counter)) return OpenResult::replayed;
  if (!contexts.of(slot).open(counter, datagram, length - kSealedOverhead)) {
    return OpenResult::forged;
  }
  return window->accept(counter) ? OpenResult::packet : OpenResult::replayed;
}

u64 ReceiveKey::hash(Key key) { return mixKey(key, 2); }

}  // namespace sojourn
