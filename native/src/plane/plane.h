// The data plane: sockets, tables and packet threads behind about a dozen calls. All calls come
// from one thread, JavaScript's. Only the destructor waits for packet threads.
#pragma once
#include <memory>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "plane/receive/receiver.h"
#include "plane/shared.h"
#include "plane/transmit/transmitter.h"
#include "sockets/raw-socket.h"
#include "sockets/tun.h"

namespace sojourn {

struct LinkTap {
  std::string device;
  Descriptor tap;
};

// Shared by all packet threads of a plane, and closed after they have ended.
struct Sockets {
  std::unique_ptr<Tun> tun;
  std::vector<Descriptor> udp;
  // By family: sealed[outer == 6].
  std::vector<Descriptor> sealed[2];
  std::vector<Descriptor> esp;
  // By outer and inner family, as SendSockets::raw.
  Descriptor raw[2][2];
  Descriptor rawErrors[2][2];
  // About ESP packets over IPv6.
  Descriptor espErrors;
  Descriptor complete4;
  Descriptor complete6;
  Descriptor tap;
  std::vector<LinkTap> links;
  Descriptor stop;

  SendSockets sendSockets(size_t pair, const Shared& shared) const;
  // The sockets of sealed datagrams to a family.
  const std::vector<Descriptor>& sealedTo(int family, const Options& options) const {
    return family == 4 && options.sharesPort() ? udp : sealed[family == 6];
  }
};

class Worker;

class Plane {
 public:
  // Packet threads call `wake` when there are punts. Throws SystemError.
  Plane(const Options& options, std::function<void()> wake);
  ~Plane();

  const Features& features() const { return shared_.features; }
  int deviceIndex() const { return sockets_.tun->index(); }
  // Replaces a TUN device that was deleted, renamed or moved to another network namespace. Tables
  // and counters stay. Throws SystemError if the name is taken; a later call tries again.
  void reopenDevice();
  // Sends and receives the datagrams of RFC 5555 through another port, which the kernel chooses: a
  // NAT on the path makes a new mapping. Throws SystemError, and nothing has changed.
  void renewUdpPort();
  void tunnelSet(const TunnelSpec& spec);
  void tunnelDelete(u32 id) { shared_.tables.tunnelDelete(id); }
  void routeSet(const RouteSpec& spec);
  void routeDelete(const RouteSpec& spec) { shared_.tables.routeDelete(withoutPeer(spec)); }
  void sealingKeysSet(const SealingKeysSpec& spec);
  // Throws SystemError.
  void espKeysSet(const EspKeysSpec& spec);
  // ESP packets with this SPI for this host are punted. Throws SystemError.
  void espSpiSet(u32 spi);
  Tables& tables() { return shared_.tables; }
  HandshakeCheck& handshakes() { return shared_.gate.handshakes; }
  OwnSpis& ownSpis() { return shared_.gate.ownSpis; }
  RegistrationCheck& registrations() { return shared_.gate.registrations; }
  // The next packet of any tunnel is reported once, as a punt of the kind `traffic`.
  void armTrafficNotice() { shared_.trafficNotice.arm(); }
  // Sends a control packet. Returns 0 or errno; data packets never delay it.
  int inject(const PacketPath& path, const u8* packet, size_t length);
  // At most `limit`. `more`: there are others, for which `wake` will not be called.
  std::vector<ControlPacket> takePunts(size_t limit, bool& more) {
    return shared_.punts.take(limit, more);
  }
  void counters(u64 (&sums)[Counters::kCount]) const;

 private:
  void openDevice();
  RouteSpec withoutPeer(const RouteSpec& spec) const;
  TapChoice tapChoice(bool esp) const;
  void wakeForHeld();
  void stop();
  void pause();
  static void stopAll();
  void openSockets(size_t pairs);
  void openSealed(size_t pairs, UdpFeatures& features);
  void openEsp(size_t pairs, UdpFeatures& features);
  void takeEspFrames();
  void openRaw();
  void startWorkers();
  void noteSpokenTo(const PacketPath& path, const u8* packet, size_t length);
  int injectUdp(const PacketPath& path, const u8* packet, size_t length);
  int injectDatagram(const PacketPath& path, const u8* packet, size_t length);
  int injectTunnel(u32 id, const u8* packet, size_t length);
  int injectSealed(const Tunnel& tunnel, const PacketView& view);
  int injectEsp(const Tunnel& tunnel, const u8* packet, size_t length);
  int injectRaw(const Tunnel& tunnel, const OuterPayload& payload);
  int injectLink(const PacketPath& path, const u8* packet, size_t length);

  Shared shared_;
  Sockets sockets_;
  Counters counters_;
  // JavaScript's thread checks held packets with it.
  std::unique_ptr<Receiver> heldReceiver_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace sojourn
