#!/bin/sh
# Lets the lab's bridges carry what is routed between their containers. Docker drops on an `internal` network every packet that is not from and to its own
# subnet, also what only crosses the bridge (br_netfilter), so routers in containers would route nothing. Packets that leave by the bridge that they came by
# are let through, no others: nothing gets out of the lab by this. Runs in the host's network namespace and takes its rules back when it ends.
set -eu
bridges='sj-core sj-ar6 sj-ar4 sj-ds sj-cone sj-sym sj-lan'

# Docker's own tool writes either nftables or the older tables; the chain is where Docker made it.
tables() {
  for tool in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do
    "$tool" -w 5 -n -L DOCKER-USER >/dev/null 2>&1 && echo "$tool"
  done
  true
}

change() {
  for tool in $(tables); do
    for bridge in $bridges; do
      rule="-i $bridge -o $bridge -j ACCEPT"
      # shellcheck disable=SC2086
      while "$tool" -w 5 -D DOCKER-USER $rule 2>/dev/null; do :; done
      # shellcheck disable=SC2086
      [ "$1" = remove ] || "$tool" -w 5 -I DOCKER-USER $rule
    done
  done
}

trap 'change remove; exit 0' TERM INT
change add
touch /run/ready
while :; do
  sleep 3600 &
  wait $!
done
