# A NAT in front of a private network; $1 is its kind.
outside=$(device_of 198.51.100.)
sed "s/\"wan\"/\"$outside\"/g" "/opt/sojourn/docker/lab/nat-$1.nft" | nft -f -
. "$HERE/access.sh"
