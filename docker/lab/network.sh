# Functions of entry.sh.

CORE4=198.51.100.254
CORE6=2001:db8:f::fe

# The device that has an address beginning with $1 (empty: none).
device_of() {
  ip -oneline address show | awk -v wanted="$1" 'index($4, wanted) == 1 { print $2; exit }'
}

# The first process of a container ends at a signal only if it says what it does then.
idle() {
  trap 'exit 0' TERM
  sleep infinity &
  wait
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

# Router advertisements of prefix $2 on device $1: to those who ask, and else seldom. A host asks a second after it was plugged in; what came sooner would
# find Docker at work on the host's routes.
advertise() {
  cat >/etc/radvd.conf <<END
interface $1 {
  AdvSendAdvert on;
  IgnoreIfMissing on;
  AdvRASolicitedUnicast on;
  MinDelayBetweenRAs 3;
  MinRtrAdvInterval 200;
  MaxRtrAdvInterval 600;
  AdvDefaultLifetime 1800;
  AdvCurHopLimit 0;
  prefix $2 { AdvOnLink on; AdvAutonomous on; };
};
END
  radvd --nodaemon -m stderr &
}

# Docker gives an interface addresses, brings it up, and gives it ways out that there are none of on an internal network, in this order, and fails where
# the addresses went before. Newer engines give no ways out.
forget_docker() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -z "$(ip -4 route show default dev "$1" proto boot; ip -6 route show default dev "$1" proto boot)" ] || break
    sleep 0.05
  done
  sleep 0.1
  for family in -6 -4; do
    ip "$family" route flush default dev "$1" proto boot || true
    ip "$family" address flush dev "$1" scope global permanent || true
  done
}

# What a network manager does on an ordinary host: an interface that comes loses what Docker gave it, and gets what its network gives: IPv6 by the
# kernel's autoconfiguration, IPv4 by DHCP. KEEP names the address of an interface that is left alone.
manage_interfaces() {
  names
  known=' '
  # Whatever the kernel says of any link; what it said before anybody listened is seen a little later.
  { ip -oneline monitor link & while sleep 2; do echo; done; } 2>/dev/null | while read -r _; do
    for path in /sys/class/net/eth*; do
      [ -e "$path" ] || continue
      device=${path##*/}
      { read -r index <"$path/ifindex" && read -r flags <"$path/flags"; } 2>/dev/null || continue
      case $known in *" $device:$index "*) continue ;; esac
      # Docker numbers it before it is up.
      [ $((flags & 1)) = 1 ] || continue
      known="$known$device:$index "
      [ -n "${KEEP:-}" ] && [ "$(device_of "$KEEP")" = "$device" ] && continue
      { forget_docker "$device" && exec udhcpc -f -i "$device" -s "$HERE/udhcpc.sh" -t 3 -T 1 -A 1; } >/dev/null 2>&1 &
    done
  done
}

# Becomes daemon $1, called $2, with the configuration that everybody in the lab derives from its seed.
run_daemon() {
  umask 077
  mkdir -p /var/lib/sojourn /run/sojourn
  # Who touches no device and no route needs no privilege: the image's own user is enough.
  case $1 in as | dc) ordinary='setpriv --reuid sojourn --regid sojourn --init-groups --inh-caps=-all --no-new-privs' ;; esac
  ${ordinary:-} node /opt/sojourn/docker/lab/provision.ts "$2"
  if [ "$1" = as ]; then ${ordinary:-} node /opt/sojourn/docker/lab/accounts.ts & fi
  exec ${ordinary:-} node "/opt/sojourn/daemons/$1/main.ts" --config "/etc/sojourn/$2.yaml"
}

HERE=/opt/sojourn/docker/lab
