// Packet views, the walk over extension headers, and all packets that are built from an untrusted
// one.
#include "net/ecn.h"
#include "net/home-address.h"
#include "net/icmp.h"
#include "net/outer-header.h"
#include "octets.h"

using namespace sojourn;

namespace {

void requirePacket(std::vector<u8> error) {
  if (error.empty()) return;
  PacketView again;
  fuzz::require(viewPacket(error.data(), error.size(), again));
  fuzz::require(error.size() <= 1280);
}

void build(const PacketView& view, size_t mtu) {
  requirePacket(packetTooBig(view, mtu, nullptr));
  if (view.family == 4) {
    size_t payload = 0;
    for (const std::vector<u8>& fragment : fragmentIpv4(view, mtu)) {
      fuzz::require(fragment.size() <= mtu);
      payload += fragment.size() - view.headerLength;
    }
    fuzz::require(payload == 0 || payload == view.length - view.headerLength);
  }
  constexpr OuterPath path{.carrier = Carrier::udp, .family = 4, .remotePort = 4191};
  if (view.length < 60000) {
    encapsulateFragmented(
        path, OuterPayload::of(view),
        {.mtu = std::max<size_t>(mtu, 68), .sourcePort = 4191, .identification = 7});
  }
}

void exchange(const PacketView& view) {
  HomeAddressHeaders headers;
  if (!findHomeAddressHeaders(view, headers)) return;
  std::vector<u8> copy(view.data, view.data + view.length);
  PacketView packet = view;
  packet.data = copy.data();
  const u32 removed = exchangeHomeAddresses(packet, headers);
  PacketView again;
  fuzz::require(viewPacket(packet.data, packet.length, again));
  fuzz::require(packet.length + removed == view.length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  fuzz::Octets octets(data, size);
  const size_t mtu = octets.next16() % 2000;
  const u8 ecn = octets.next();
  std::vector<u8> packet = octets.rest();
  PacketView view;
  if (viewQuoted(packet.data(), packet.size(), view)) requirePacket(unreachable(view, nullptr));
  if (!viewPacket(packet.data(), packet.size(), view)) return 0;
  fuzz::require(view.length <= packet.size() && view.headerLength <= view.length);
  if (view.family == 6) {
    const ChainEnd end = walkChain(view.data, view.length);
    exchange(view);
    fuzz::require(end.offset <= view.length);
  }
  const u8 after = decapsulatedEcn(view.trafficClass, ecn);
  if (after != 0xff) setEcn(view, after);
  build(view, mtu);
  return 0;
}
