#include "path-mtu/path-prober.h"

#include <map>
#include <memory>

#include "check.h"
#include "packets.h"

using namespace sojourn;

namespace {

constexpr u64 kRoundTripMs = 20;
constexpr u64 kStartMs = 1'000'000;
constexpr u16 kLink = 1500;

// A tunnel through a path that passes outer packets of `passes` octets. Data of the full size is
// sent all the time.
class Sending {
 public:
  explicit Sending(u32 relayIndex, u8 family = 4) {
    TunnelSpec spec;
    spec.id = 1;
    spec.path = {.family = family, .remotePort = 9, .relayIndex = relayIndex};
    spec.path.remote.bytes[0] = 32;
    spec.protection = Protection::sealed;
    spec.mtu = 1280;
    tables_->tunnelSet(spec);
    spec.mtu = static_cast<u16>(kLink - tunnel().overhead());
    tables_->tunnelSet(spec);
  }

  const Tunnel& tunnel() const { return *tables_->tunnel(1); }
  bool isWhole() const { return tunnel().effectiveMtu() == tunnel().mtu; }
  size_t outerSize() const { return tunnel().effectiveMtu() + tunnel().overhead(); }
  u64 nowMs() const { return nowMs_ - kStartMs; }

  // Until `untilMs`, or until `done`.
  template <class Done>
  void run(u64 untilMs, u16 passes, Done&& done) {
    for (; nowMs() < untilMs && !done(); nowMs_++) step(passes);
  }
  void run(u64 untilMs, u16 passes) {
    run(untilMs, passes, [] { return false; });
  }

  u64 probes = 0;
  u64 lowered = 0;

 private:
  void step(u16 passes) {
    if (PathProber::isDue(tunnel(), tunnel().effectiveMtu(), nowMs_)) {
      prober_.start(tunnel(), nowMs_);
    }
    for (auto at = answers_.begin(); at != answers_.end() && at->first <= nowMs_;) {
      prober_.confirm(tunnel().endpoint->identity, at->second, nowMs_);
      at = answers_.erase(at);
    }
    if (!prober_.isReady(nowMs_)) return;
    for (PathProber::Outgoing& sent : prober_.take(*tables_, nowMs_, lowered)) {
      PathProbe probe;
      probes++;
      CHECK(readPathProbe(testing::viewOf(sent.packet), probe));
      if (probe.size > passes) continue;
      answers_.emplace(nowMs_ + kRoundTripMs,
                       PathProbe{.answer = true, .size = probe.size, .nonce = probe.nonce});
    }
  }

  std::unique_ptr<Tables> tables_ = std::make_unique<Tables>();
  PathProber prober_;
  std::multimap<u64, PathProbe> answers_;
  u64 nowMs_ = kStartMs;
};

// What a relay passes to a node whose address it has not validated.
constexpr u16 kUnvalidated = 800;

}  // namespace

TEST(relay_leg_without_validation_for_two_seconds_lowers_nothing) {
  for (const u64 validatedMs : {500, 1'000, 2'000, 2'500}) {
    Sending sending(7);
    sending.run(validatedMs, kUnvalidated);
    CHECK(sending.isWhole());
    sending.run(20'000, kLink);
    CHECK(sending.isWhole());
    CHECK_EQUAL(sending.lowered, 0u);
  }
}

TEST(narrow_path_behind_a_relay_is_found_within_five_seconds) {
  Sending sending(7);
  sending.run(5'000, 1'400);
  CHECK_EQUAL(sending.outerSize(), 1'400u);
}

TEST(narrow_path_without_a_relay_is_found_within_two_seconds) {
  Sending sending(0);
  sending.run(2'000, 1'400);
  CHECK_EQUAL(sending.outerSize(), 1'400u);
}

TEST(size_that_loss_lowered_rises_again_within_seconds) {
  for (const u8 family : {4, 6}) {
    for (const u64 lossMs : {2'000, 5'000, 8'000}) {
      const u16 passes = family == 6 ? u16{kIpv6MinimumMtu} : kUnvalidated;
      Sending sending(0, family);
      sending.run(lossMs, passes);
      CHECK_EQUAL(sending.outerSize(), passes);
      sending.run(lossMs + 10'000, kLink, [&] { return sending.isWhole(); });
      CHECK(sending.isWhole());
    }
  }
}

TEST(narrow_path_is_searched_for_a_larger_size_ever_more_rarely) {
  Sending sending(0);
  sending.run(60'000, 1'400);
  const u64 inTheFirstMinute = sending.probes;
  sending.run(660'000, 1'400);
  const u64 untilThen = sending.probes;
  sending.run(1'260'000, 1'400);
  CHECK_EQUAL(sending.outerSize(), 1'400u);
  CHECK_EQUAL(sending.lowered, 1u);
  CHECK(inTheFirstMinute < 400);
  // 150 confirmations in ten minutes, and one or two searches.
  CHECK(sending.probes - untilThen < 270);
}

TEST(healthy_path_costs_one_probe_each_confirmation) {
  Sending sending(7);
  sending.run(60'000, kLink);
  CHECK(sending.probes >= 10 && sending.probes <= 16);
}

TEST(short_deadline_is_pending_until_it_passes) {
  ShortDeadline<60'000> deadline;
  CHECK(!deadline.isSet());
  // Whatever the clock says, a deadline that was never set is not pending.
  for (u64 nowMs = 0; nowMs < 70'000'000; nowMs += 1'000) CHECK(!deadline.isPending(nowMs));
  for (const u64 nowMs : {u64{0}, u64{67'107'000}, u64{67'108'863}, u64{90'000'000'000}}) {
    for (const u64 waitMs : {1, 500, 4'000, 60'000}) {
      deadline.set(nowMs, waitMs);
      CHECK(deadline.isSet() && deadline.isPending(nowMs));
      CHECK(deadline.isPending(nowMs + waitMs - 1));
      CHECK(!deadline.isPending(nowMs + waitMs + 2'048));
    }
  }
  deadline.clear();
  CHECK(!deadline.isSet() && !deadline.isPending(0));
}
