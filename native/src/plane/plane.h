// The data plane: sockets, tables and packet threads behind about a dozen calls. All calls come
// from one thread (JavaScript's); none waits for a packet thread but close().
#pragma once
#include <memory>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "plane/plane-parts.h"
#include "plane/receive/receiver.h"
#include "plane/transmit/transmitter.h"
#include "sockets/tun.h"

namespace sojourn {

struct LinkTap {
  std::string device;
  Descriptor tap;
};

// What all packet threads of a plane use together. Closed after they have ended.
struct Sockets {
  std::unique_ptr<Tun> tun;
  std::vector<Descriptor> udp;
  // By family: sealed[outer == 6].
  std::vector<Descriptor> sealed[2];
  Descriptor raw[2][2];
  Descriptor complete4;
  Descriptor complete6;
  Descriptor tap;
  std::vector<LinkTap> links;
  Descriptor stop;

  SendSockets sendSockets(size_t pair, const Options& options) const;
};

class Worker;

class Plane {
 public:
  // `wake` is called from packet threads when punts wait. Throws SystemError.
  Plane(const Options& options, std::function<void()> wake);
  ~Plane();

  const Features& features() const { return shared_.features; }
  int deviceIndex() const { return sockets_.tun->index(); }
  void tunnelSet(const TunnelSpec& spec);
  void tunnelDelete(u32 id) { shared_.tables.tunnelDelete(id); }
  // On a home agent all prefixes are those of others.
  void routeSet(const RouteSpec& spec);
  void routeDelete(const RouteSpec& spec) {
    shared_.tables.routeDelete({spec.prefix, spec.tunnel, spec.peer && !shared_.options.homeAgent});
  }
  void associationsSet(const AssociationsSpec& spec);
  Tables& tables() { return shared_.tables; }
  // 0 or errno; never waits behind data.
  int inject(const ControlPath& path, const u8* packet, size_t length);
  std::vector<ControlPacket> takePunts() { return shared_.punts.take(); }
  void counters(u64 (&sums)[Counters::kCount]) const;

 private:
  void tunnelsChanged();
  void stop();
  static void stopAll();
  void openSockets(size_t pairs);
  void openSealed(size_t pairs, UdpFeatures& features);
  void openRaw();
  void startWorkers();
  int injectUdp(const ControlPath& path, const u8* packet, size_t length);
  int injectDatagram(const ControlPath& path, const u8* packet, size_t length);
  int injectSealed(const Tunnel& tunnel, const PacketView& view);
  int injectTunnel(u32 id, const u8* packet, size_t length);
  int injectLink(const ControlPath& path, const u8* packet, size_t length);

  Shared shared_;
  Sockets sockets_;
  Counters counters_;
  std::unique_ptr<Receiver> replayer_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace sojourn
