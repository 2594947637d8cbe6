# The network behind the mobile router: radvd and dnsmasq give its hosts addresses.
KEEP=192.0.2.129
lan=$(device_of "$KEEP")
export LAN_DEVICE=$lan
# Docker made these interfaces before it set the defaults of compose.yaml, and /proc/sys is
# read-only here. IPv6 restarts with the defaults on a link whose MTU was below 1280.
for device in $(ls /sys/class/net | grep '^eth'); do
  [ "$device" = "$lan" ] && continue
  ip link set dev "$device" mtu 1279
  ip link set dev "$device" mtu 1500
done
# The router ignores redirects of hosts in the mobile network.
nft add table ip6 lan
nft add chain ip6 lan input '{ type filter hook input priority 0; }'
nft add rule ip6 lan input iifname "$lan" icmpv6 type nd-router-advert drop
advertise "$lan" 2001:db8:500::/64
dnsmasq --keep-in-foreground --user=root --log-facility=- --port=0 --interface="$lan" --bind-dynamic --dhcp-authoritative --no-ping \
  --leasefile-ro --dhcp-range=192.0.2.130,192.0.2.141,1h --dhcp-option=option:router,192.0.2.129 &
