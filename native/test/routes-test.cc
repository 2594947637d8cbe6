// The tunnels of inner packets: prefixes of peers beside those of the mobile side, and overlays.
#include <memory>

#include "plane/shared.h"
#include "check.h"
#include "packets.h"

using namespace sojourn;

namespace {

constexpr u32 kHome = 1;
constexpr u32 kPeer = 2;
constexpr u32 kOther = 3;

Address six(u32 high, u32 low) {
  Address address;
  store32(address.bytes, 0x20010db8);
  store32(address.bytes + 4, high);
  store32(address.bytes + 12, low);
  return address;
}

// A packet between addresses of 2001:db8::/32.
struct Packet {
  testing::Bytes bytes;
  PacketView view;

  Packet(const Address& source, const Address& destination)
      : bytes(testing::tcp({.family = 6}, 1, 10)) {
    std::memcpy(bytes.data() + 8, source.bytes, 16);
    std::memcpy(bytes.data() + 24, destination.bytes, 16);
    view = testing::viewOf(bytes);
  }
};

const Address kHomeAddress = six(0xa, 1);
const Address kVirtual = six(0xf0000000, 1);
const Address kPeerAddress = six(0xf0000000, 2);
const Address kInternet = six(0xb, 9);

std::unique_ptr<Shared> sharedOf(TunnelLookup lookup) {
  Options options;
  options.lookup = lookup;
  auto shared = std::make_unique<Shared>(options, [] {});
  shared->tables.routeSet({{6, 128, kHomeAddress}, kHome});
  return shared;
}

u32 outward(const Shared& shared, const Address& from, const Address& to) {
  return shared.outwardTunnel(Packet(from, to).view);
}
u32 inward(const Shared& shared, const Address& from, const Address& to) {
  return shared.inwardTunnel(Packet(from, to).view);
}

}  // namespace

TEST(peer_prefixes_do_not_mix_with_the_mobile_side) {
  const auto shared = sharedOf(TunnelLookup::byInnerSource);
  shared->tables.overlaySet({{6, 48, six(0xf0000000, 0)}, kVirtual});
  shared->tables.routeSet({{6, 128, kPeerAddress}, kPeer, true});
  // By destination for a peer, otherwise by source.
  CHECK_EQUAL(outward(*shared, kVirtual, kPeerAddress), kPeer);
  CHECK_EQUAL(outward(*shared, kHomeAddress, kPeerAddress), kPeer);
  CHECK_EQUAL(outward(*shared, kHomeAddress, kInternet), kHome);
  CHECK_EQUAL(outward(*shared, kVirtual, kInternet), 0u);
  CHECK_EQUAL(outward(*shared, kVirtual, six(0xf0000000, 3)), 0u);
  CHECK_EQUAL(inward(*shared, kPeerAddress, kVirtual), kPeer);
  CHECK_EQUAL(inward(*shared, kInternet, kHomeAddress), kHome);
  // A source that is no peer, and a destination that is not this host.
  CHECK_EQUAL(inward(*shared, kInternet, kVirtual), 0u);
  CHECK_EQUAL(inward(*shared, six(0xf0000000, 3), kVirtual), 0u);
  CHECK_EQUAL(inward(*shared, kPeerAddress, six(0xf0000000, 3)), 0u);
  // Virtual addresses and the tunnel of the home address are separate.
  CHECK_EQUAL(inward(*shared, kPeerAddress, kHomeAddress), 0u);
  CHECK_EQUAL(inward(*shared, six(0xf0000000, 3), kHomeAddress), 0u);
  CHECK_EQUAL(outward(*shared, kHomeAddress, six(0xf0000000, 3)), 0u);
}

TEST(peer_tunnel_admits_peers_only) {
  const auto shared = sharedOf(TunnelLookup::byInnerSource);
  Tables& tables = shared->tables;
  tables.overlaySet({{6, 48, six(0xf0000000, 0)}, kVirtual});
  tables.routeSet({{6, 128, kPeerAddress}, kHome, true});
  CHECK_EQUAL(inward(*shared, kInternet, kHomeAddress), 0u);
  CHECK_EQUAL(inward(*shared, kPeerAddress, kVirtual), kHome);
  // A second peer prefix in the tunnel: it stays a peer tunnel until both are deleted.
  tables.routeSet({{6, 64, six(0xc, 0)}, kHome, true});
  tables.routeDelete({{6, 128, kPeerAddress}, kHome, true});
  CHECK_EQUAL(inward(*shared, kInternet, kHomeAddress), 0u);
  tables.routeSet({{6, 64, six(0xc, 0)}, kOther, true});
  CHECK_EQUAL(inward(*shared, kInternet, kHomeAddress), kHome);
  CHECK_EQUAL(outward(*shared, kVirtual, six(0xc, 5)), kOther);
  tables.routeDelete({{6, 64, six(0xc, 0)}, kHome, true});
  CHECK_EQUAL(outward(*shared, kVirtual, six(0xc, 5)), kOther);
  tables.routeDelete({{6, 64, six(0xc, 0)}, kOther, true});
  CHECK_EQUAL(outward(*shared, kVirtual, six(0xc, 5)), 0u);
}

TEST(prefix_is_of_the_mobile_side_or_of_a_peer) {
  const auto shared = sharedOf(TunnelLookup::byInnerSource);
  Tables& tables = shared->tables;
  tables.routeSet({{6, 128, kPeerAddress}, kPeer, true});
  tables.routeSet({{6, 128, kPeerAddress}, kHome});
  CHECK_EQUAL(outward(*shared, kVirtual, kPeerAddress), 0u);
  CHECK_EQUAL(outward(*shared, kPeerAddress, kInternet), kHome);
  CHECK(!tables.routes().isPeerTunnel(kPeer));
  tables.routeSet({{6, 128, kPeerAddress}, kPeer, true});
  CHECK_EQUAL(outward(*shared, kPeerAddress, kInternet), 0u);
  CHECK_EQUAL(outward(*shared, kVirtual, kPeerAddress), kPeer);
  // Deleting a mobile-side route does not delete the peer route.
  tables.routeDelete({{6, 128, kPeerAddress}, kPeer});
  CHECK_EQUAL(outward(*shared, kVirtual, kPeerAddress), kPeer);
}

TEST(overlay_tells_virtual_addresses_and_the_own_one) {
  const auto shared = sharedOf(TunnelLookup::byInnerSource);
  Tables& tables = shared->tables;
  const Routes& routes = tables.routes();
  CHECK(!routes.isVirtual(6, kPeerAddress.bytes) && !routes.isOwn(6, kVirtual.bytes));
  tables.overlaySet({{6, 48, six(0xf0000000, 0)}, {}});
  CHECK(routes.isVirtual(6, kPeerAddress.bytes) && !routes.isOwn(6, kVirtual.bytes));
  tables.overlaySet({{6, 48, six(0xf0000000, 0)}, kVirtual});
  CHECK(routes.isOwn(6, kVirtual.bytes) && !routes.isOwn(6, kPeerAddress.bytes));
  CHECK(!routes.isVirtual(6, kInternet.bytes) && !routes.isVirtual(4, kVirtual.bytes));
  tables.overlayDelete({6, 48, kVirtual});
  CHECK(!routes.isVirtual(6, kVirtual.bytes) && !routes.isOwn(6, kVirtual.bytes));
}

TEST(lookup_by_inner_destination_uses_the_other_address) {
  const auto shared = sharedOf(TunnelLookup::byInnerDestination);
  CHECK_EQUAL(outward(*shared, kInternet, kHomeAddress), kHome);
  CHECK_EQUAL(inward(*shared, kHomeAddress, kInternet), kHome);
  CHECK_EQUAL(outward(*shared, kHomeAddress, kInternet), 0u);
}
