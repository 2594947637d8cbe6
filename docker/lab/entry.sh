#!/bin/sh
# Entry point of a container of the lab: configures the interfaces for its role, then executes its
# program.
#   entry.sh core | access DEVICE-ADDRESS… | nat KIND | server | host | DAEMON [NAME]
# Addresses are those of compose.yaml. Devices are found by their addresses, because Docker numbers
# devices in any order.
set -eu
here=/opt/sojourn/docker/lab
. "$here/network.sh"
role=$1
shift

case $role in
core)
  # The internet: routes to every access network, and the names of the lab.
  . "$here/core.sh"
  ;;
access)
  . "$here/access.sh"
  ;;
nat)
  . "$here/nat.sh"
  ;;
server)
  uplink
  exec node "$here/file-server.ts"
  ;;
host)
  manage_interfaces &
  idle
  ;;
ha | as | dc | rsn)
  uplink
  run_daemon "$role" "$role"
  ;;
mn)
  manage_interfaces &
  run_daemon mn "${1:-mn}"
  ;;
mr)
  . "$here/mobile-network.sh"
  manage_interfaces &
  run_daemon mr mr
  ;;
*)
  echo "entry: no part '$role' in this lab" >&2
  exit 64
  ;;
esac
