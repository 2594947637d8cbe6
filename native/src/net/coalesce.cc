#include "net/coalesce.h"

#include "net/checksum.h"

namespace sojourn {
namespace {

constexpr u8 kTcpPush = 0x08;
constexpr u8 kTcpAck = 0x10;
constexpr u8 kTcpCwr = 0x80;
// FIN, SYN, RST, URG and ECE end a run in the kernel's GRO too: their position in the stream
// matters.
constexpr u8 kTcpBreaking = 0x67;
constexpr u32 kMaximumPacket = 65535;

bool sameFlow(const PacketView& a, const u8* transportA, const PacketView& b,
              const u8* transportB) {
  if (a.family != b.family || raw32(transportA) != raw32(transportB)) return false;
  const size_t at = a.family == 6 ? 8 : 12;
  return std::memcmp(a.data + at, b.data + at, a.family == 6 ? 32 : 8) == 0;
}

// Segmentation in the kernel counts the identification up from that of the first packet.
bool ipv4Continues(const u8* head, const u8* next, u32 segments) {
  if (raw16(head) != raw16(next) || raw16(head + 6) != raw16(next + 6) || head[8] != next[8]) {
    return false;
  }
  const bool dontFragment = (head[6] & 0x40) != 0;
  return dontFragment || static_cast<u16>(load16(head + 4) + segments) == load16(next + 4);
}

bool ipv6Continues(const u8* head, const u8* next) {
  // Version, traffic class, flow label and hop limit. The next header is known to be equal.
  return raw32(head) == raw32(next) && head[7] == next[7];
}

}  // namespace

void Coalescer::classifyTcp(Candidate& candidate) const {
  const PacketView& view = candidate.view;
  if (view.headerLength + 20u > view.length) return;
  const u32 header = (candidate.transport[12] >> 4) * 4u;
  if (header < 20 || view.headerLength + header > view.length) return;
  candidate.headerLength = static_cast<u16>(view.headerLength + header);
  candidate.payload = view.length - candidate.headerLength;
  const u8 flags = candidate.transport[13];
  candidate.joinable =
      tcp_ && candidate.payload > 0 && (flags & kTcpBreaking) == 0 && (flags & kTcpAck) != 0;
}

void Coalescer::classifyUdp(Candidate& candidate) const {
  const PacketView& view = candidate.view;
  candidate.headerLength = static_cast<u16>(view.headerLength + kUdpHeader);
  candidate.payload = view.length - candidate.headerLength;
  const bool whole = load16(candidate.transport + 4) == view.length - view.headerLength;
  candidate.joinable =
      udp_ && candidate.payload > 0 && whole && raw16(candidate.transport + 6) != 0;
}

// False if the packet belongs to no flow that can have a run.
bool Coalescer::classify(const PacketView& view, ChecksumState state, Candidate& candidate) const {
  candidate = {.view = view,
               .transport = view.data + view.headerLength,
               .payload = 0,
               .headerLength = 0,
               .joinable = false,
               .valid = state == ChecksumState::right};
  if (view.fragment || view.headerLength + kUdpHeader > view.length) return false;
  if (view.protocol == kProtocolTcp) {
    classifyTcp(candidate);
  } else if (view.protocol == kProtocolUdp) {
    classifyUdp(candidate);
  } else {
    return false;
  }
  if (!candidate.joinable) return true;
  if (view.family == 4 &&
      (view.headerLength != kIpv4Header || ipv4HeaderResidue(view.data, kIpv4Header) != 0)) {
    candidate.joinable = false;
  } else if (!candidate.valid) {
    const u32 length = view.length - view.headerLength;
    const u64 sum = pseudoHeaderSum(view.data, view.family, view.protocol, length);
    // A packet with a wrong checksum is written alone and unmarked: the receiving host counts it
    // where operators look for it.
    candidate.valid = candidate.joinable =
        checksumFinish(checksumAdd(candidate.transport, length, sum)) == 0;
  }
  return true;
}

Coalescer::Run* Coalescer::findRun(const Candidate& candidate) {
  for (int index = count_ - 1; index >= 0; index--) {
    Run& run = runs_[order_[index]];
    if (run.head.protocol != candidate.view.protocol) continue;
    if (sameFlow(run.head, run.transport, candidate.view, candidate.transport)) return &run;
  }
  return nullptr;
}

bool Coalescer::canJoin(const Run& run, const Candidate& candidate) const {
  if (run.closed || run.segments == kSegments || run.headerLength != candidate.headerLength) {
    return false;
  }
  if (candidate.payload > run.segmentSize ||
      run.headerLength + run.payload + candidate.payload > kMaximumPacket) {
    return false;
  }
  const u8* head = run.head.data;
  const u8* next = candidate.view.data;
  const bool ip =
      run.head.family == 6 ? ipv6Continues(head, next) : ipv4Continues(head, next, run.segments);
  if (!ip || run.head.protocol == kProtocolUdp) return ip;
  const u8* a = run.transport;
  const u8* b = candidate.transport;
  const u32 options = run.headerLength - run.head.headerLength - 20u;
  // The flags may differ in PSH, and in CWR on the first packet. The acknowledgement and the
  // options (timestamps) must be equal.
  return load32(b + 4) == run.nextSequence && raw32(a + 8) == raw32(b + 8) &&
         ((a[13] ^ b[13]) & ~(kTcpPush | kTcpCwr)) == 0 && (b[13] & kTcpCwr) == 0 &&
         std::memcmp(a + 20, b + 20, options) == 0;
}

void Coalescer::join(Run& run, const Candidate& candidate) {
  run.parts[run.segments + 1] = {candidate.view.data + candidate.headerLength, candidate.payload};
  run.segments++;
  run.payload += candidate.payload;
  run.nextSequence += candidate.payload;
  if (candidate.payload < run.segmentSize) run.closed = true;
  if (run.head.protocol == kProtocolTcp) {
    storeRaw16(run.transport + 14, raw16(candidate.transport + 14));
    if ((candidate.transport[13] & kTcpPush) != 0) {
      run.transport[13] |= kTcpPush;
      run.closed = true;
    }
  }
}

void Coalescer::open(const Candidate& candidate) {
  if (count_ == kRuns) {
    Run& oldest = runs_[order_[0]];
    close(oldest);
  }
  Run& run = runs_[order_[count_++]];
  const bool tcp = candidate.view.protocol == kProtocolTcp;
  run.head = candidate.view;
  run.transport = candidate.transport;
  run.payload = candidate.payload;
  run.nextSequence = tcp ? load32(candidate.transport + 4) + candidate.payload : 0;
  run.headerLength = candidate.headerLength;
  run.segmentSize = static_cast<u16>(candidate.payload);
  run.segments = 1;
  run.closed = tcp && (candidate.transport[13] & kTcpPush) != 0;
  run.valid = candidate.valid;
  // The header and the first payload are adjacent.
  run.parts[1] = {candidate.view.data, candidate.view.length};
}

void Coalescer::finishHeaders(Run& run) {
  const u32 total = run.headerLength + run.payload;
  const u32 transportLength = total - run.head.headerLength;
  if (run.head.family == 6) {
    store16(run.head.data + 4, total - kIpv6Header);
  } else {
    store16(run.head.data + 2, total);
    writeIpv4Checksum(run.head.data, kIpv4Header);
  }
  const bool udp = run.head.protocol == kProtocolUdp;
  if (udp) store16(run.transport + 4, transportLength);
  const u64 pseudo =
      pseudoHeaderSum(run.head.data, run.head.family, run.head.protocol, transportLength);
  const u16 offset = udp ? 6 : 16;
  storeRaw16(run.transport + offset, checksumFold(pseudo));
  u8 type = udp ? kGsoUdp : run.head.family == 6 ? kGsoTcp6 : kGsoTcp4;
  if (!udp && (run.transport[13] & kTcpCwr) != 0) type |= kGsoEcn;
  run.virtio = {.flags = kVirtioNeedsChecksum,
                .gsoType = type,
                .headerLength = run.headerLength,
                .gsoSize = run.segmentSize,
                .checksumStart = run.head.headerLength,
                .checksumOffset = offset};
}

void Coalescer::close(Run& run) {
  if (run.segments > 1) {
    finishHeaders(run);
  } else {
    run.virtio = {};
    run.virtio.flags = run.valid ? kVirtioDataValid : 0;
  }
  run.parts[0] = {&run.virtio, sizeof run.virtio};
  sink_.write(run.parts, run.segments + 1);
  removeRun(&run);
}

void Coalescer::removeRun(Run* run) {
  const u8 slot = static_cast<u8>(run - runs_);
  int index = 0;
  while (order_[index] != slot) index++;
  for (; index + 1 < count_; index++) order_[index] = order_[index + 1];
  order_[--count_] = slot;
}

void Coalescer::writeSingle(const PacketView& view, u8 flags) {
  VirtioHeader virtio;
  virtio.flags = flags;
  const iovec parts[2] = {{&virtio, sizeof virtio}, {view.data, view.length}};
  sink_.write(parts, 2);
}

void Coalescer::add(const PacketView& view, ChecksumState state) {
  Candidate candidate;
  if (!classify(view, state, candidate)) {
    // A fragment or a packet with IPv6 extension headers may belong to any of the flows, so it must
    // not overtake their runs. Other protocols have no runs.
    if (view.fragment || (view.family == 6 && isExtensionHeader(view.protocol))) flush();
    writeSingle(view, 0);
    return;
  }
  Run* run = count_ == 0 ? nullptr : findRun(candidate);
  if (run != nullptr) {
    if (candidate.joinable && canJoin(*run, candidate)) {
      join(*run, candidate);
      return;
    }
    close(*run);
  }
  if (candidate.joinable) {
    open(candidate);
  } else {
    writeSingle(view, candidate.valid ? kVirtioDataValid : 0);
  }
}

void Coalescer::addSuper(const PacketView& view, const VirtioHeader& virtio) {
  flush();
  const iovec parts[2] = {{const_cast<VirtioHeader*>(&virtio), sizeof virtio},
                          {view.data, view.length}};
  sink_.write(parts, 2);
}

void Coalescer::flush() {
  while (count_ > 0) close(runs_[order_[0]]);
}

}  // namespace sojourn
