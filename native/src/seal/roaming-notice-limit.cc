#include "seal/roaming-notice-limit.h"

namespace sojourn {

bool RoamingNoticeLimit::allow(u64 peer, u64 nowMs) {
  Notices& notices = notices_.get();
  const std::lock_guard<std::mutex> guard(notices.mutex);
  Notice* free = nullptr;
  for (Notice& notice : notices.of) {
    const bool recent = notice.used && nowMs - notice.atMs < kIntervalMs;
    if (recent && notice.peer == peer) return false;
    if (!recent) free = &notice;
  }
  if (free == nullptr) return false;
  *free = {.peer = peer, .atMs = nowMs, .used = true};
  return true;
}

}  // namespace sojourn
