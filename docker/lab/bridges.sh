#!/bin/sh
# Lets the lab's bridges carry packets that containers route. On an `internal` network, Docker drops
# every packet from or to another subnet, even if it only crosses the bridge (br_netfilter), so that
# routers in containers could not route. The rules accept only packets that leave by the bridge they
# arrived at: nothing leaves the lab. Runs in the host's network namespace and removes its rules at
# its end.
set -eu
bridges='sj-core sj-ar6 sj-ar4 sj-ds sj-cone sj-sym sj-lan'

# Docker's iptables writes nftables or legacy tables; use the one with Docker's chain.
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
