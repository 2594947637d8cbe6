// Receive coalescing: in-order runs of one TCP or UDP flow within a batch become one virtio-net
// super-packet on the TUN. The rules are those of the kernel's GRO (tcp_gro_receive,
// udp_gro_receive): segmenting the result yields the same packets again.
#pragma once
#include <sys/uio.h>

#include "base/bytes.h"
#include "net/packet.h"
#include "net/virtio.h"

namespace sojourn {

// `parts` are one packet, the virtio header first.
class PacketSink {
 public:
  virtual void write(const iovec* parts, int count) = 0;

 protected:
  ~PacketSink() = default;
};

// The state of the transport checksum.
enum class ChecksumState { unknown, right };

class Coalescer {
 public:
  explicit Coalescer(PacketSink& sink, bool tcp, bool udp) : sink_(sink), tcp_(tcp), udp_(udp) {}

  // The caller keeps `view.data` unchanged until flush(); the coalescer changes headers in it.
  void add(const PacketView& view, ChecksumState state);
  // A packet that is a super-packet already. `virtio` is relative to `view.data`.
  void addSuper(const PacketView& view, const VirtioHeader& virtio);
  // From now on packets of this protocol stay single.
  void stopJoining(u8 protocol) { (protocol == kProtocolTcp ? tcp_ : udp_) = false; }
  // Writes all runs, oldest first.
  void flush();

 private:
  static constexpr int kRuns = 8;
  static constexpr int kSegments = 64;

  struct Candidate {
    PacketView view;
    u8* transport;
    u32 payload;
    u16 headerLength;
    bool joinable;  // can be part of a run
    bool valid;     // checksum verified
  };
  struct Run {
    PacketView head;
    u8* transport;
    u32 payload;
    u32 nextSequence;
    u16 headerLength;
    u16 segmentSize;
    u16 segments;
    bool closed;
    bool valid;
    VirtioHeader virtio;
    iovec parts[kSegments + 2];
  };

  bool classify(const PacketView& view, ChecksumState state, Candidate& candidate) const;
  void classifyTcp(Candidate& candidate) const;
  void classifyUdp(Candidate& candidate) const;
  Run* findRun(const Candidate& candidate);
  bool canJoin(const Run& run, const Candidate& candidate) const;
  void join(Run& run, const Candidate& candidate);
  void open(const Candidate& candidate);
  void close(Run& run);
  void finishHeaders(Run& run);
  void writeSingle(const PacketView& view, u8 flags);
  void removeRun(Run* run);

  PacketSink& sink_;
  bool tcp_;
  bool udp_;
  int count_ = 0;
  // Oldest first. Indices into runs_, so that a removal moves single octets.
  u8 order_[kRuns] = {0, 1, 2, 3, 4, 5, 6, 7};
  Run runs_[kRuns];
};

}  // namespace sojourn
