#!/bin/sh
# Script of the DHCP client, with the lease in its environment. Addresses get the lifetime of the
# lease, which marks them as addresses of the network.
case "$1" in
bound | renew)
  ip -4 address replace "$ip/$mask" dev "$interface" valid_lft "$lease" preferred_lft "$lease"
  for gateway in $router; do
    ip -4 route replace default via "$gateway" dev "$interface" proto dhcp src "$ip" metric 100
    break
  done
  ;;
deconfig | nak)
  ip -4 address flush dev "$interface" scope global dynamic
  ip -4 route flush dev "$interface" proto dhcp
  ;;
esac
exit 0
