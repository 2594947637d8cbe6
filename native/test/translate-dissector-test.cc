// Translated packets as an independent dissector sees them: all checksums, including those of
// quoted headers.
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <sstream>

#include "check.h"
#include "translating.h"

using namespace sojourn;
using testing::Bytes;
using testing::pass;

namespace {

constexpr u32 kPcapMagic = 0xa1b2c3d4;
constexpr u32 kLinkTypeRaw = 101;
constexpr size_t kColumns = 6;

// A capture file that is deleted at the end of the test.
class Capture {
 public:
  Capture() {
    const int fd = ::mkstemp(path_);
    file_ = fd < 0 ? nullptr : ::fdopen(fd, "w");
    CHECK(file_ != nullptr);
    const u32 header[6] = {kPcapMagic, 2 | 4 << 16, 0, 0, 262144, kLinkTypeRaw};
    if (file_ != nullptr) CHECK_EQUAL(std::fwrite(header, sizeof header, 1, file_), 1);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() {
    if (file_ != nullptr) std::fclose(file_);
    ::unlink(path_);
  }

  void add(const Bytes& packet) {
    if (file_ == nullptr) return;
    const u32 length = static_cast<u32>(packet.size());
    const u32 header[4] = {0, 0, length, length};
    CHECK_EQUAL(
        std::fwrite(header, sizeof header, 1, file_) + std::fwrite(packet.data(), length, 1, file_),
        2);
    std::fflush(file_);
  }
  const char* path() const { return path_; }

 private:
  char path_[32] = "/tmp/sojourn-translated-XXXXXX";
  FILE* file_;
};

// One line for each packet: the status of IPv4 header, TCP, UDP, ICMP and ICMPv6 (0: bad, 1: good,
// 2: unchecked, as in some quotations, 3: none), several joined by commas; and the malformed parts.
std::vector<std::vector<std::string>> dissect(const Capture& capture) {
  const std::string command =
      std::string("tshark -r ") + capture.path() +
      " -n -T fields -E occurrence=a -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o "
      "udp.check_checksum:TRUE"
      " -o ip.defragment:FALSE -o ipv6.defragment:FALSE"
      " -e ip.checksum.status -e tcp.checksum.status -e udp.checksum.status -e icmp.checksum.status"
      " -e icmpv6.checksum.status -e _ws.malformed 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> out(::popen(command.c_str(), "r"), ::pclose);
  std::vector<std::vector<std::string>> rows;
  char line[512];
  while (out != nullptr && std::fgets(line, sizeof line, out.get()) != nullptr) {
    std::vector<std::string> row(1);
    for (const char* at = line; *at != 0 && *at != '\n'; at++) {
      if (*at == '\t') {
        row.emplace_back();
      } else {
        row.back() += *at;
      }
    }
    row.resize(kColumns);
    rows.push_back(row);
  }
  return rows;
}

Bytes octets(std::mt19937& random, size_t length) {
  Bytes made(length);
  for (u8& octet : made) octet = static_cast<u8>(random());
  return made;
}

// TCP, UDP with and without checksum, Echo, and errors that quote one of them.
Bytes some(int family, std::mt19937& random, bool mayQuote = true) {
  const testing::Flow flow{.family = family,
                           .sourcePort = static_cast<u16>(40001 + random() % 1000),
                           .destinationPort = 40000,
                           .trafficClass = static_cast<u8>(random())};
  // Short enough that errors quote them whole: the dissector does not check a truncated quotation.
  const size_t length = random() % 1100;
  switch (random() % (mayQuote ? 5 : 4)) {
    case 0:
      return testing::tcp(flow, static_cast<u32>(random()), length);
    case 1:
      return testing::udp(flow, length, static_cast<u8>(random()));
    case 2: {
      Bytes packet = testing::udp(flow, length);
      if (family == 4) store16(packet.data() + 26, 0);
      return packet;
    }
    case 3:
      return testing::icmp({.family = family,
                            .type = static_cast<u8>(family == 4 ? 8 : 129),
                            .word = static_cast<u32>(random())},
                           octets(random, length));
    default: {
      const Bytes quoted = some(family, random, false);
      const u8 types[2][2] = {{11, 3}, {3, 1}};
      return testing::icmp({.family = family, .type = types[family == 6][random() % 2], .code = 0},
                           quoted);
    }
  }
}

// The number of good packets for each column. A packet that is bad, malformed or has no good
// checksum is printed and counts as a failure.
std::vector<size_t> judge(const Capture& capture, size_t packets) {
  std::vector<size_t> good(kColumns);
  const auto rows = dissect(capture);
  CHECK_EQUAL(rows.size(), packets);
  for (size_t number = 0; number < rows.size(); number++) {
    bool right = rows[number].back().empty();
    bool judged = false;
    for (size_t column = 0; column + 1 < kColumns; column++) {
      const std::string& value = rows[number][column];
      if (value.find('0') != std::string::npos) right = false;
      if (value.find('1') == std::string::npos) continue;
      good[column]++;
      judged = judged || column > 0;
    }
    if (!right || !judged) std::printf("packet %zu is bad\n", number + 1);
    CHECK(right && judged);
  }
  return good;
}

}  // namespace

TEST(dissector_finds_every_checksum_correct) {
  std::mt19937 random(1914);
  Capture capture;
  size_t packets = 0;
  for (int count = 0; count < 600; count++) {
    const testing::Passed passed = pass(some(count % 2 == 0 ? 4 : 6, random));
    CHECK(passed.verdict() == Verdict::translated);
    capture.add(passed.packet);
    packets++;
  }
  const std::vector<size_t> good = judge(capture, packets);
  for (size_t column = 0; column + 1 < kColumns; column++) CHECK(good[column] > 50);
}

TEST(dissector_finds_every_segment_correct) {
  Capture capture;
  size_t packets = 0;
  for (const int family : {4, 6}) {
    for (const bool udp : {false, true}) {
      Bytes super = udp ? testing::udp({.family = family, .destinationPort = 40000}, 20000)
                        : testing::tcp({.family = family, .destinationPort = 40000}, 9, 20000);
      const VirtioHeader virtio = testing::makeSuper(super, 1000);
      const testing::Passed passed = pass(super, {}, virtio);
      for (const Bytes& segment : testing::cutSuper(passed.packet, passed.virtio)) {
        capture.add(segment);
        packets++;
      }
    }
  }
  CHECK_EQUAL(packets, 80u);
  const std::vector<size_t> good = judge(capture, packets);
  CHECK(good[0] == 40 && good[1] == 40 && good[2] == 40);
}

// The dissector does find errors.
TEST(dissector_finds_a_wrong_checksum) {
  Capture capture;
  for (const u8 octet : {0, 1}) {
    Bytes packet = pass(testing::tcp({.family = 4}, 9, 20)).packet;
    packet.back() = static_cast<u8>(packet.back() ^ octet);
    capture.add(packet);
  }
  const auto rows = dissect(capture);
  CHECK(rows.size() == 2 && rows[0][1] == "1" && rows[1][1] == "0");
}
