# The network behind the mobile router: the hosts there get addresses from radvd and dnsmasq, as on any network.
KEEP=192.0.2.129
lan=$(device_of "$KEEP")
export LAN_DEVICE=$lan
cat >/etc/radvd.conf <<END
interface $lan {
  AdvSendAdvert on;
  IgnoreIfMissing on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 4;
  prefix 2001:db8:500::/64 { AdvOnLink on; AdvAutonomous on; };
};
END
radvd --nodaemon -m stderr &
dnsmasq --keep-in-foreground --user=root --log-facility=- --port=0 --interface="$lan" --bind-dynamic --dhcp-authoritative --no-ping \
  --leasefile-ro --dhcp-range=192.0.2.130,192.0.2.141,1h --dhcp-option=option:router,192.0.2.129 &
