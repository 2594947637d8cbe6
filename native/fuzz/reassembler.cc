// Reassembly: the fragments of packets whose octets depend on their place, in any order, with
// copies, overlaps and damage. A whole packet has the right octet everywhere or was damaged, and
// the memory stays within its bounds.
#include "net/outer-header.h"
#include "net/reassembler.h"
#include "octets.h"

using namespace sojourn;

namespace {

struct World {
  Counters counters;
  Reassembler reassembler{counters};
  u64 nowMs = 1'000;
};

std::vector<u8> fragmentFrom(fuzz::Octets& octets, bool& damaged) {
  const u8 shape = octets.next();
  const bool six = (shape & 1) != 0;
  const size_t header = six ? kIpv6Header + 8 : kIpv4Header;
  const u32 offset = octets.next16() & 0x1fffu;
  const size_t length = octets.next16() % 1500;
  std::vector<u8> packet(header + length);
  const bool more = (shape & 2) != 0;
  if (six) {
    store32(packet.data(), 0x60000000);
    store16(packet.data() + 4, static_cast<u32>(8 + length));
    packet[6] = kProtocolFragment;
    packet[8 + (shape >> 4 & 1) * 4] = 1;
    u8* fragment = packet.data() + kIpv6Header;
    fragment[0] = (shape & 4) != 0 ? kProtocolMobility : kProtocolIpv6;
    store16(fragment + 2, offset << 3 | (more ? 1 : 0));
    fragment[7] = shape >> 6;
  } else {
    packet[0] = 0x45;
    store16(packet.data() + 2, static_cast<u32>(packet.size()));
    packet[5] = shape >> 6;
    store16(packet.data() + 6, offset | (more ? 0x2000u : 0));
    packet[9] = kProtocolIpv6;
    packet[12 + (shape >> 4 & 1)] = 1;
  }
  for (size_t at = 0; at < length; at++) {
    packet[header + at] = static_cast<u8>((offset * 8 + at) * 7);
  }
  if ((shape & 8) != 0) {
    packet[octets.next16() % packet.size()] ^= octets.next();
    damaged = true;
  }
  return packet;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  World world;
  fuzz::Octets octets(data, size);
  bool damaged = false;
  u64 given = 0;
  while (!octets.empty()) {
    std::vector<u8> packet = fragmentFrom(octets, damaged);
    packet.shrink_to_fit();
    PacketView view;
    if (!viewPacket(packet.data(), packet.size(), view)) continue;
    world.nowMs += octets.next();
    const bool farEnd = (octets.next() & 1) != 0;
    given++;
    std::vector<u8> whole = world.reassembler.add(
        view, farEnd ? Reassembler::Source::farEnd : Reassembler::Source::stranger, world.nowMs);
    if (whole.empty()) continue;
    PacketView joined;
    fuzz::require(viewPacket(whole.data(), whole.size(), joined));
    fuzz::require(joined.length == whole.size() && !joined.fragment);
    if (damaged) continue;
    for (size_t at = joined.headerLength; at < whole.size(); at++) {
      fuzz::require(whole[at] == static_cast<u8>((at - joined.headerLength) * 7));
    }
  }
  world.reassembler.expire(world.nowMs + 10'000);
  fuzz::require(world.reassembler.empty());
  const auto count = [&](Counters::Name name) { return world.counters.values[name].load(); };
  // Each fragment is in a whole packet or counted as dropped, and none is counted twice.
  const u64 dropped = count(Counters::dropFragment) + count(Counters::dropFragmentOverlap) +
                      count(Counters::dropFragmentDuplicate) +
                      count(Counters::dropFragmentExpired) + count(Counters::dropFragmentFull);
  const u64 joined = count(Counters::reassembled) + count(Counters::dropEcn);
  fuzz::require(dropped + 2 * joined <= given);
  return 0;
}
