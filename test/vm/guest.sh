# Second stage of the virtual machine's first process, on the host's root directory: prepares the
# machine as Debian's boot does, runs the parts, stores the exit code and switches the machine off.
cd "$project"
# CI: vitest prints each test once, instead of redrawing a summary on a console that cannot.
export HOME=/root LANG=C.UTF-8 TERM=dumb CI=true
export PATH="$project/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
stty -F /dev/console -opost 2>/dev/null
mkdir -p /dev/pts /dev/shm /run/lock /run/netns
mount -t devpts -o ptmxmode=0666,mode=620 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount --make-rshared /
for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
  [ -e "/dev/${link%%:*}" ] || ln -s "${link#*:}" "/dev/${link%%:*}"
done
cp -r /run/report/compile-cache /tmp/compile-cache
export NODE_COMPILE_CACHE=/tmp/compile-cache
hostname stock
ip link set lo up
# udev loads these on a machine with systemd: their device files do not load them for root alone.
# Each namespace of the tests has the devices of these modules too: sit0, tunl0, gre0, ip6tnl0, …
modprobe -a tun sit ipip ip_gre ip6_tunnel ip6_gre ip_vti ip6_vti
# udev's mode: daemons of units open it as their own users.
chmod 666 /dev/net/tun
perl lab/init.pl node test/vm/inside.ts
code=$?
dmesg > /run/report/dmesg
echo "$code" > /run/report/exit-code
sync
busybox poweroff -f
# The machine is switched off asynchronously, and the kernel panics when its first process ends.
while :; do sleep 1; done
