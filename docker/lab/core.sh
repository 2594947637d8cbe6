# The core router, which connects all networks.
for route in 203.0.113.128/28:64 203.0.113.160/28:68; do ip -4 route replace "${route%:*}" via "198.51.100.${route##*:}"; done
ip -6 route replace 2001:db8:a::/64 via 2001:db8:f::66
ip -6 route replace 2001:db8:d::/64 via 2001:db8:f::68
# Home networks and mobile networks, through the home agent.
ip -4 route replace 203.0.113.0/25 via 198.51.100.2
ip -4 route replace 192.0.2.128/28 via 198.51.100.2
ip -6 route replace 2001:db8:200::/64 via 2001:db8:f::2
ip -6 route replace 2001:db8:500::/64 via 2001:db8:f::2
# All routers share one link, and replies may take another router: send no redirects. (Docker makes
# the interface before it sets the defaults of compose.yaml.)
nft add table ip core
nft add chain ip core output '{ type filter hook output priority 0; }'
nft add rule ip core output icmp type redirect drop
exec dnsmasq --keep-in-foreground --no-resolv --no-hosts --user=root --log-facility=- --conf-file="$HERE/names.conf"
