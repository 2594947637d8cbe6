# Functions of entry.sh.

CORE4=198.51.100.254
CORE6=2001:db8:f::fe

# The device that has an address beginning with $1 (empty: none).
device_of() {
  ip -oneline address show | awk -v wanted="$1" 'index($4, wanted) == 1 { print $2; exit }'
}

names() {
  printf 'nameserver %s\nnameserver %s\n' "$CORE4" "$CORE6" >/etc/resolv.conf
}

# A server on the internet: what is not on the link goes to the core router. FAMILY=6 or 4 makes it know nothing of the other.
uplink() {
  device=$(device_of 198.51.100.)
  case ${FAMILY:-both} in
  6) ip -4 address flush dev "$device" ;;
  4) ip -6 address flush dev "$device" scope global ;;
  esac
  [ "${FAMILY:-both}" = 6 ] || ip -4 route replace default via "$CORE4"
  [ "${FAMILY:-both}" = 4 ] || ip -6 route replace default via "$CORE6"
  names
}

# What a network manager does on an ordinary host: an interface that comes loses what Docker gave it, and gets what its network gives: IPv6 by the
# kernel's autoconfiguration, IPv4 by DHCP. KEEP names the address of an interface that is left alone.
manage_interfaces() {
  names
  known=' '
  while :; do
    for path in /sys/class/net/eth*; do
      [ -e "$path" ] || continue
      device=${path##*/}
      id=$device:$(cat "$path/ifindex" 2>/dev/null || true)
      case $known in *" $id "*) continue ;; esac
      # Docker numbers it before it is up.
      [ $(($(cat "$path/flags" 2>/dev/null || echo 0) & 1)) = 1 ] || continue
      known="$known$id "
      [ -n "${KEEP:-}" ] && [ "$(device_of "$KEEP")" = "$device" ] && continue
      ip address flush dev "$device" scope global permanent
      udhcpc -f -i "$device" -s "$HERE/udhcpc.sh" -t 3 -T 1 -A 1 >/dev/null 2>&1 &
    done
    # Whatever the kernel says next of any link; a second at the latest.
    timeout 1 ip -oneline monitor link 2>/dev/null | head -n 1 >/dev/null || true
  done
}

# Becomes daemon $1, called $2, with the configuration that everybody in the lab derives from its seed.
run_daemon() {
  umask 077
  mkdir -p /var/lib/sojourn /run/sojourn
  node /opt/sojourn/docker/lab/provision.ts "$2"
  if [ "$1" = as ]; then node /opt/sojourn/docker/lab/accounts.ts & fi
  exec node "/opt/sojourn/daemons/$1/main.ts" --config "/etc/sojourn/$2.yaml"
}

HERE=/opt/sojourn/docker/lab
