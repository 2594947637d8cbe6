# An access router: router advertisements and DHCP for the families of its address on the link.
outside=$(device_of 198.51.100.)
ip -4 route replace default via "$CORE4"
ip -6 route replace default via "$CORE6"
for device in $(ls /sys/class/net | grep '^eth'); do [ "$device" = "$outside" ] || inside=$device; done
[ -z "${PREFIX6:-}" ] || advertise "$inside" "$PREFIX6"
if [ -n "${RANGE4:-}" ]; then
  exec dnsmasq --keep-in-foreground --user=root --log-facility=- --port=0 --interface="$inside" --bind-dynamic --dhcp-authoritative \
    --no-ping --leasefile-ro --dhcp-range="$RANGE4,1h" --dhcp-option="option:router,$ROUTER4"
fi
ip -4 address flush dev "$inside"
idle
