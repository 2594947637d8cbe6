// Receive coalescing of any sequence of packets: no payload octet is lost or added.
#include "net/checksum.h"
#include "net/coalesce.h"
#include "octets.h"

using namespace sojourn;

namespace {

struct Sum final : PacketSink {
  u64 octets = 0;
  void write(const iovec* parts, int count) override {
    fuzz::require(count >= 2 && parts[0].iov_len == sizeof(VirtioHeader));
    VirtioHeader virtio;
    std::memcpy(&virtio, parts[0].iov_base, sizeof virtio);
    std::vector<u8> packet;
    for (int part = 1; part < count; part++) {
      const auto* from = static_cast<const u8*>(parts[part].iov_base);
      packet.insert(packet.end(), from, from + parts[part].iov_len);
    }
    PacketView view;
    fuzz::require(viewPacket(packet.data(), packet.size(), view) && view.length == packet.size());
    const u32 segments =
        virtio.gsoType == kGsoNone
            ? 1
            : (view.length - virtio.headerLength + virtio.gsoSize - 1) / virtio.gsoSize;
    // A packet that joined a run contributes its payload only.
    octets += view.length + (segments - 1) * virtio.headerLength;
  }
};

// Half of the inputs get correct checksums and consecutive sequence numbers; without those no
// packet would join a run.
void mend(std::vector<u8>& packet, u32& sequence) {
  PacketView view;
  if (!viewPacket(packet.data(), packet.size(), view) || view.protocol != kProtocolTcp ||
      view.fragment) {
    return;
  }
  if (view.headerLength + 20u > view.length) return;
  if (view.family == 4) writeIpv4Checksum(view.data, view.headerLength);
  u8* tcp = view.data + view.headerLength;
  tcp[12] = 5 << 4;
  store32(tcp + 4, sequence);
  sequence += view.length - view.headerLength - 20;
  storeRaw16(tcp + 16, 0);
  const u32 length = view.length - view.headerLength;
  storeRaw16(tcp + 16,
             checksumFinish(checksumAdd(
                 tcp, length, pseudoHeaderSum(view.data, view.family, view.protocol, length))));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  fuzz::Octets octets(data, size);
  const bool mended = (octets.next() & 1) != 0;
  static Sum sink;
  static Coalescer coalescer(sink, true, true);
  sink.octets = 0;
  std::vector<std::vector<u8>> packets;
  u64 expected = 0;
  u32 sequence = 1;
  while (!octets.empty()) {
    packets.push_back(octets.take(octets.next()));
    if (mended) mend(packets.back(), sequence);
  }
  for (std::vector<u8>& packet : packets) {
    PacketView view;
    if (!viewPacket(packet.data(), packet.size(), view)) continue;
    expected += view.length;
    coalescer.add(view, ChecksumState::unknown);
  }
  coalescer.flush();
  fuzz::require(sink.octets == expected);
  return 0;
}
