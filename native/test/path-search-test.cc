#include "path-mtu/path-search.h"

#include <algorithm>
#include <map>
#include <memory>

#include "path-mtu/path-prober.h"
#include "check.h"
#include "packets.h"

using namespace sojourn;

namespace {

// Simulates a path that passes packets of `passes` octets, with a round trip of `roundTripMs`.
struct Path {
  u16 passes;
  u64 roundTripMs = 20;
  bool answers = true;
  // Each probe with an index divisible by it is lost; 0: none.
  int loses = 0;
};

struct Run {
  u64 tookMs = 0;
  u64 loweredAtMs = 0;
  int probes = 0;
};

Run run(PathSearch& search, const Path& path) {
  struct Answer {
    u64 atMs;
    u16 size;
  };
  Run result;
  std::vector<Answer> answers;
  std::vector<u16> sizes;
  const u64 start = 1'000;
  const u16 first = search.usable();
  for (u64 now = start; now < start + 60'000 && !search.done(); now++) {
    for (const Answer& answer : answers) {
      if (answer.atMs == now) search.confirm(answer.size, now);
    }
    search.poll(now, sizes);
    for (const u16 size : sizes) {
      result.probes++;
      const bool lost = path.loses != 0 && result.probes % path.loses == 0;
      if (size <= path.passes && path.answers && !lost) {
        answers.push_back({now + path.roundTripMs, size});
      }
    }
    if (search.usable() < first && result.loweredAtMs == 0) result.loweredAtMs = now - start;
    result.tookMs = now - start;
  }
  return result;
}

constexpr PathSizes kOver6{1280, 1500, 1500};

}  // namespace

TEST(search_confirms_a_good_path_with_one_probe) {
  PathSearch search(kOver6, false);
  const Run result = run(search, {1500});
  CHECK(search.done() && search.answered());
  CHECK_EQUAL(search.usable(), 1500);
  CHECK_EQUAL(result.probes, 1);
}

TEST(search_finds_every_size_exactly_and_soon) {
  for (const u64 roundTripMs : {1u, 20u, 150u, 600u}) {
    for (u16 passes = 1280; passes < 1500; passes += 7) {
      PathSearch search(kOver6, false);
      const Run result = run(search, {passes, roundTripMs});
      CHECK(search.done());
      CHECK_EQUAL(search.usable(), passes);
      CHECK(result.probes < 60);
      // A black hole ends within a second on ordinary paths.
      if (roundTripMs <= 20) CHECK(result.loweredAtMs <= 1'000);
      if (roundTripMs <= 20) CHECK(result.tookMs <= 2'500);
    }
  }
}

TEST(search_over_ipv4_finds_sizes_below_1280) {
  for (u16 passes = 576; passes < 1500; passes += 13) {
    PathSearch search({576, 1500, 1500}, false);
    run(search, {passes});
    CHECK_EQUAL(search.usable(), passes);
  }
}

TEST(search_keeps_the_assumed_size_of_a_far_end_that_does_not_answer) {
  PathSearch search(kOver6, false);
  const Run result = run(search, {1500, 20, false});
  CHECK(search.done() && !search.answered());
  CHECK_EQUAL(search.usable(), 1500);
  CHECK(result.probes <= 5);
}

TEST(search_is_not_misled_by_some_loss) {
  for (const int loses : {2, 3, 4, 5}) {
    PathSearch search(kOver6, false);
    run(search, {1500, 20, true, loses});
    CHECK_EQUAL(search.usable(), 1500);
  }
}

TEST(search_raises_when_it_may) {
  PathSearch kept({1280, 1400, 1500}, false);
  run(kept, {1500});
  CHECK_EQUAL(kept.usable(), 1400);
  for (const u16 passes : {1500, 1450, 1401, 1400}) {
    PathSearch raised({1280, 1400, 1500}, true);
    run(raised, {passes});
    CHECK_EQUAL(raised.usable(), passes);
  }
  PathSearch lowered({1280, 1400, 1500}, true);
  run(lowered, {1300});
  CHECK_EQUAL(lowered.usable(), 1300);
}

TEST(path_probe_and_its_answer_are_read_again) {
  for (const bool answer : {false, true}) {
    std::vector<u8> packet =
        writePathProbe({.answer = answer, .size = 1400, .nonce = 77}, answer ? 0 : 1360);
    CHECK_EQUAL(packet.size(), answer ? kPathProbeMinimum : 1360u);
    PathProbe read;
    CHECK(readPathProbe(testing::viewOf(packet), read));
    CHECK(read.answer == answer && read.size == 1400 && read.nonce == 77);
    CHECK(testing::transportRight(packet));
    packet[30] ^= 1;
    CHECK(!readPathProbe(testing::viewOf(packet), read));
  }
  std::vector<u8> ordinary = testing::udp({}, 100);
  PathProbe read;
  CHECK(!readPathProbe(testing::viewOf(ordinary), read));
}

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
