# Functions of entry.sh.

CORE4=198.51.100.254
CORE6=2001:db8:f::fe

# The device that has an address beginning with $1 (empty: none).
device_of() {
  ip -oneline address show | awk -v wanted="$1" 'index($4, wanted) == 1 { print $2; exit }'
}

# PID 1 of a container ignores signals without a handler.
idle() {
  trap 'exit 0' TERM
  sleep infinity &
  wait
}

names() {
  printf 'nameserver %s\nnameserver %s\n' "$CORE4" "$CORE6" >/etc/resolv.conf
}

# A server on the internet with the core router as its gateway. FAMILY=6 or 4 disables the other
# family.
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

# Router advertisements of prefix $2 on device $1, mostly solicited ones. A host solicits a second
# after its connection; an earlier advertisement would race with Docker's changes of its routes.
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

# Docker adds addresses, brings the interface up and adds default routes, which are useless on an
# internal network, in this order, and fails if the addresses are removed earlier. Newer engines add
# no routes.
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

# Acts as a network manager: removes Docker's configuration from a new interface, which then gets
# IPv6 by autoconfiguration and IPv4 by DHCP. KEEP is the address of an interface to leave unchanged.
manage_interfaces() {
  names
  known=' '
  # Link events wake the loop; the timer covers events before the monitor started.
  { ip -oneline monitor link & while sleep 2; do echo; done; } 2>/dev/null | while read -r _; do
    for path in /sys/class/net/eth*; do
      [ -e "$path" ] || continue
      device=${path##*/}
      { read -r index <"$path/ifindex" && read -r flags <"$path/flags"; } 2>/dev/null || continue
      case $known in *" $device:$index "*) continue ;; esac
      # Docker assigns addresses before the link is up.
      [ $((flags & 1)) = 1 ] || continue
      known="$known$device:$index "
      [ -n "${KEEP:-}" ] && [ "$(device_of "$KEEP")" = "$device" ] && continue
      { forget_docker "$device" && exec udhcpc -f -i "$device" -s "$HERE/udhcpc.sh" -t 3 -T 1 -A 1; } >/dev/null 2>&1 &
    done
  done
}

# Executes daemon $1 under the name $2, with the configuration derived from the lab's seed.
run_daemon() {
  umask 077
  mkdir -p /var/lib/sojourn /run/sojourn
  # Daemons without devices and routes run as the unprivileged user of the image.
  case $1 in as | dc) ordinary='setpriv --reuid sojourn --regid sojourn --init-groups --inh-caps=-all --no-new-privs' ;; esac
  ${ordinary:-} node /opt/sojourn/docker/lab/provision.ts "$2"
  if [ "$1" = as ]; then ${ordinary:-} node /opt/sojourn/docker/lab/accounts.ts & fi
  exec ${ordinary:-} node "/opt/sojourn/daemons/$1/main.ts" --config "/etc/sojourn/$2.yaml"
}

HERE=/opt/sojourn/docker/lab
