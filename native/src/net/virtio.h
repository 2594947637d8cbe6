// struct virtio_net_hdr of <linux/virtio_net.h> (virtio 1.2, §5.1.6). Older headers lack UDP
// segmentation.
#pragma once
#include "base/bytes.h"

namespace sojourn {

struct VirtioHeader {
  u8 flags = 0;
  u8 gsoType = 0;
  u16 headerLength = 0;
  u16 gsoSize = 0;
  u16 checksumStart = 0;
  u16 checksumOffset = 0;
};
static_assert(sizeof(VirtioHeader) == 10);

constexpr u8 kVirtioNeedsChecksum = 1;
constexpr u8 kVirtioDataValid = 2;
constexpr u8 kGsoNone = 0;
constexpr u8 kGsoTcp4 = 1;
constexpr u8 kGsoTcp6 = 4;
constexpr u8 kGsoUdp = 5;
constexpr u8 kGsoEcn = 0x80;

}  // namespace sojourn
