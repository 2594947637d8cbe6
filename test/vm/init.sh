#!/bin/busybox sh
# First process of the virtual machine, in the initramfs. Makes the host's root directory (9p,
# read-only) the root of the machine, below a tmpfs that takes what the machine writes.
set -eu
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /host /writable /new /report
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/modules/$module"; done < /modules/order

# cache=loose: the host's files are taken as constant, so that the page cache keeps them.
options=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "ro,cache=loose,$options" root /host
mount -t tmpfs -o mode=755,size=70% tmpfs /writable
mkdir /writable/upper /writable/work
mount -t overlay -o lowerdir=/host,upperdir=/writable/upper,workdir=/writable/work overlay /new
# shellcheck disable=SC2154 # The kernel's command line sets it.
mkdir -p /new/lib/modules
mount --bind "/new$modules" /new/lib/modules
mount -t tmpfs -o mode=755 tmpfs /new/run
mkdir /new/run/report
mount -t 9p -o "rw,cache=none,$options" report /new/run/report
for directory in proc sys dev; do mount --move "/$directory" "/new/$directory"; done
# shellcheck disable=SC2154
exec switch_root /new /bin/sh "$project/test/vm/guest.sh"
