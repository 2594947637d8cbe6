#include "path-mtu/path-search.h"

#include <algorithm>

#include "path-mtu/path-probe.h"
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
