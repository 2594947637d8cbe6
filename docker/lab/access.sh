# An access router: IPv6 by router advertisements, IPv4 by DHCP, as the addresses that it has on its link allow.
outside=$(device_of 198.51.100.)
ip -4 route replace default via "$CORE4"
ip -6 route replace default via "$CORE6"
for device in $(ls /sys/class/net | grep '^eth'); do [ "$device" = "$outside" ] || inside=$device; done
if [ -n "${PREFIX6:-}" ]; then
  # To those who ask, and else seldom: a host asks a second after it was plugged in. What came sooner would find Docker at work on the host's routes.
  cat >/etc/radvd.conf <<END
interface $inside {
  AdvSendAdvert on;
  AdvRASolicitedUnicast on;
  MinDelayBetweenRAs 3;
  MinRtrAdvInterval 200;
  MaxRtrAdvInterval 600;
  AdvDefaultLifetime 1800;
  AdvCurHopLimit 0;
  prefix $PREFIX6 { AdvOnLink on; AdvAutonomous on; };
};
END
  radvd --nodaemon -m stderr &
fi
if [ -n "${RANGE4:-}" ]; then
  exec dnsmasq --keep-in-foreground --user=root --log-facility=- --port=0 --interface="$inside" --bind-dynamic --dhcp-authoritative \
    --no-ping --leasefile-ro --dhcp-range="$RANGE4,1h" --dhcp-option="option:router,$ROUTER4"
fi
ip -4 address flush dev "$inside"
idle
