#include "path-mtu/path-search.h"

#include <algorithm>
#include <map>
#include <memory>

#include "path-mtu/path-prober.h"
#include "plane/sent-record.h"
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

  // An ICMP error that says `octets` is believed.
  void learn(u16 octets) {
    prober_.restart(*tunnel().endpoint);
    tunnel().endpoint->learntUntil.set(nowMs_, 600'000);
    tunnel().endpoint->learntFromError.store(true);
    tunnel().endpoint->limits.setLearnt(octets);
  }
  bool distrustsErrors() const {
    const Endpoint& endpoint = *tunnel().endpoint;
    return endpoint.limits.learnt() == 0 && endpoint.learntUntil.isPending(nowMs_);
  }

  u64 probes = 0;
  u64 largestProbe = 0;
  u64 routeMtu = 0;
  PathProber::Found found;

 private:
  void step(u16 passes) {
    if (PathProber::isDue(tunnel(), tunnel().effectiveMtu(), nowMs_)) {
      prober_.start(tunnel(), nowMs_, routeMtu);
    }
    for (auto at = answers_.begin(); at != answers_.end() && at->first <= nowMs_;) {
      prober_.confirm(tunnel().endpoint->identity, at->second, nowMs_);
      at = answers_.erase(at);
    }
    if (!prober_.isReady(nowMs_)) return;
    for (PathProber::Outgoing& sent : prober_.take(*tables_, nowMs_, found)) {
      PathProbe probe;
      probes++;
      CHECK(readPathProbe(testing::viewOf(sent.packet), probe));
      largestProbe = std::max<u64>(largestProbe, probe.size);
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
    CHECK_EQUAL(sending.found.lowered, 0u);
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
  CHECK_EQUAL(sending.found.lowered, 1u);
  CHECK(inTheFirstMinute < 400);
  // 150 confirmations in ten minutes, and one or two searches.
  CHECK(sending.probes - untilThen < 270);
}

TEST(error_that_is_not_true_is_refuted_within_a_second) {
  for (const u16 passes : {kLink, u16{1'450}}) {
    Sending sending(0, 6);
    sending.run(1'000, kLink);
    sending.learn(kIpv6MinimumMtu);
    CHECK_EQUAL(sending.outerSize(), kIpv6MinimumMtu);
    sending.run(4'000, passes);
    CHECK_EQUAL(sending.outerSize(), passes);
    CHECK_EQUAL(sending.found.refuted, 1u);
    CHECK_EQUAL(sending.found.lowered, 0u);
    CHECK(sending.distrustsErrors());
    sending.run(70'000, passes);
    CHECK(!sending.distrustsErrors());
  }
}

TEST(error_that_is_true_stays_and_costs_few_probes) {
  Sending sending(0, 6);
  sending.run(1'000, kLink);
  sending.learn(1'400);
  sending.run(60'000, 1'400);
  CHECK_EQUAL(sending.outerSize(), 1'400u);
  CHECK_EQUAL(sending.found.refuted + sending.found.lowered, 0u);
  CHECK(sending.probes < 400);
}

TEST(search_stays_within_the_route) {
  Sending sending(0, 6);
  sending.routeMtu = 1'300;
  sending.learn(1'300);
  sending.run(20'000, kLink);
  CHECK_EQUAL(sending.outerSize(), 1'300u);
  CHECK_EQUAL(sending.largestProbe, 1'300u);
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

namespace {

using testing::Bytes;

Endpoint::Key farEnd(u8 last, Encapsulation encapsulation = kPlainUdp) {
  Endpoint::Key key{.port = 4191, .family = 4, .encapsulation = encapsulation};
  key.remote.bytes[15] = last;
  return key;
}

Bytes patterned(u8 seed, size_t length) {
  Bytes octets(length);
  for (size_t at = 0; at < length; at++) octets[at] = static_cast<u8>(seed + at * 7);
  return octets;
}

struct Recorded {
  std::unique_ptr<SentRecord> record = std::make_unique<SentRecord>();

  void send(const Endpoint::Key& to, Bytes octets, size_t cut = 0,
            SentRecord::Content content = SentRecord::Content::data) {
    const iovec parts[2] = {{octets.data(), cut}, {octets.data() + cut, octets.size() - cut}};
    record->record(to, parts, 2, octets.size() + 28, content);
  }
  SentRecord::Sent find(const Endpoint::Key& to, const Bytes& octets, size_t quoted) const {
    return record->find(to, octets.data(), quoted);
  }
};

}  // namespace

TEST(sent_packet_is_found_by_its_first_64_octets_however_it_was_cut) {
  for (const size_t cut : {0, 1, 40, 63, 64, 65, 100}) {
    Recorded sent;
    sent.send(farEnd(1), patterned(1, 1400), cut);
    for (const size_t quoted : {64, 65, 500, 1400}) {
      CHECK_EQUAL(sent.find(farEnd(1), patterned(1, 1400), quoted).octets, 1428u);
    }
    for (const size_t quoted : {0, 1, 8, 28, 63}) {
      CHECK_EQUAL(sent.find(farEnd(1), patterned(1, 1400), quoted).octets, 0u);
    }
  }
}

TEST(sent_packet_with_any_other_bit_or_far_end_is_not_found) {
  Recorded sent;
  sent.send(farEnd(1), patterned(1, 1400));
  for (size_t bit = 0; bit < 64 * 8; bit++) {
    Bytes other = patterned(1, 1400);
    other[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    CHECK_EQUAL(sent.find(farEnd(1), other, 1400).octets, 0u);
  }
  CHECK_EQUAL(sent.find(farEnd(2), patterned(1, 1400), 1400).octets, 0u);
  CHECK_EQUAL(sent.find(farEnd(1, kSealedUdp), patterned(1, 1400), 1400).octets, 0u);
}

// RFC 4884 §5 pads what it quotes with zeros.
TEST(sent_short_packet_is_found_with_padding) {
  Recorded sent;
  sent.send(farEnd(1), patterned(3, 20));
  Bytes quoted = patterned(3, 20);
  CHECK_EQUAL(sent.find(farEnd(1), quoted, 20).octets, 48u);
  quoted.resize(128);
  CHECK_EQUAL(sent.find(farEnd(1), quoted, 128).octets, 48u);
  CHECK_EQUAL(sent.find(farEnd(1), quoted, 19).octets, 0u);
}

TEST(sent_packet_is_forgotten_after_two_periods) {
  Recorded sent;
  sent.record->tick(100 * SentRecord::kPeriodMs + 5);
  sent.send(farEnd(1), patterned(1, 100));
  sent.record->tick(101 * SentRecord::kPeriodMs + 5);
  CHECK_EQUAL(sent.find(farEnd(1), patterned(1, 100), 100).octets, 128u);
  sent.record->tick(102 * SentRecord::kPeriodMs + 5);
  CHECK_EQUAL(sent.find(farEnd(1), patterned(1, 100), 100).octets, 0u);
}

TEST(sent_probes_and_sealed_datagrams_are_secret) {
  Recorded sent;
  sent.send(farEnd(1), patterned(1, 100));
  sent.send(farEnd(1), patterned(2, 100), 0, SentRecord::Content::probe);
  sent.send(farEnd(1, kSealedUdp), patterned(3, 100));
  CHECK(!sent.find(farEnd(1), patterned(1, 100), 100).secret);
  CHECK(sent.find(farEnd(1), patterned(2, 100), 100).secret);
  CHECK(sent.find(farEnd(1, kSealedUdp), patterned(3, 100), 100).secret);
}

TEST(thousand_sent_packets_are_all_known_but_a_few) {
  Recorded sent;
  size_t known = 0;
  for (int phase = 0; phase < 2; phase++) {
    for (u32 index = 0; index < 1000; index++) {
      Bytes octets = patterned(9, 80);
      store32(octets.data(), index);
      if (phase == 0) sent.send(farEnd(1), octets);
      if (phase == 1 && sent.find(farEnd(1), octets, 80).octets != 0) known++;
    }
  }
  CHECK(known > 900);
}
