# The network behind the mobile router: the hosts there get addresses from radvd and dnsmasq, as on any network.
KEEP=192.0.2.129
lan=$(device_of "$KEEP")
export LAN_DEVICE=$lan
# What compose.yaml says of all interfaces came after Docker had made these. /proc/sys cannot be written here, but IPv6 begins anew, with what was said, on a
# link that was too narrow for it.
for device in $(ls /sys/class/net | grep '^eth'); do
  [ "$device" = "$lan" ] && continue
  ip link set dev "$device" mtu 1279
  ip link set dev "$device" mtu 1500
done
# A host of the mobile network may not tell its router where to send.
nft add table ip6 lan
nft add chain ip6 lan input '{ type filter hook input priority 0; }'
nft add rule ip6 lan input iifname "$lan" icmpv6 type nd-router-advert drop
advertise "$lan" 2001:db8:500::/64
dnsmasq --keep-in-foreground --user=root --log-facility=- --port=0 --interface="$lan" --bind-dynamic --dhcp-authoritative --no-ping \
  --leasefile-ro --dhcp-range=192.0.2.130,192.0.2.141,1h --dhcp-option=option:router,192.0.2.129 &
