#!/bin/sh
# A stand-in for the image that the Dockerfile builds on, made of Debian's packages and the Node of the npm packages, for machines that reach no image
# registry. Does nothing where the image is there already; where a registry can be reached it is not needed at all.
#   sh docker/base.sh [--force]
set -eu
cd "$(dirname "$0")/.."
image=$(sed -n 's/^FROM \(node:[^ ]*\).*/\1/p' docker/Dockerfile | head -n 1)
if [ "${1:-}" != --force ] && docker image inspect "$image" >/dev/null 2>&1; then
  echo "base: $image is here already" >&2
  exit 0
fi
fail() { echo "base: $1" >&2; exit 69; }
[ "$(id -u)" = 0 ] || fail "debootstrap wants root:  sudo sh docker/base.sh"
command -v docker >/dev/null || fail "docker is missing:  apt-get install docker.io docker-compose"
docker info >/dev/null 2>&1 || fail "no Docker engine answers:  systemctl start docker   (or run dockerd yourself)"
command -v debootstrap >/dev/null || apt-get install -y -qq --no-install-recommends debootstrap >&2
[ -x node_modules/node/bin/node ] || sh setup.sh build

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT INT TERM
# Where this machine gets its own packages from.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
[ -n "$mirror" ] || fail "apt knows no package archive: run apt-get update"
echo "base: building $image from Debian packages (some minutes)" >&2
# What the Dockerfile installs is taken along, so that it finds it there: one pass of the package manager in the place of four.
packages=$(sed -n 's/^# base-packages: //p' docker/Dockerfile | tr ' ' ',' | paste -sd, -)
debootstrap --variant=minbase --include="ca-certificates,$packages" bookworm "$root" "$mirror" >&2
install -m 755 node_modules/node/bin/node "$root/usr/local/bin/node"
mkdir -p "$root/usr/local/lib/node_modules"
cp -rL "$(npm root -g)/npm" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
# Certificate authorities that this machine was told of, a proxy's for instance: npm in the image meets the same proxy.
if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
  cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
  chroot "$root" update-ca-certificates >&2
fi
# As Debian's own images have it: a container's packages need not survive a power cut.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
rm -rf "$root"/var/cache/apt/archives/*.deb
tar -C "$root" -c . | docker import -c 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' -c 'CMD ["node"]' - "$image" >/dev/null
echo "base: $image is ready" >&2
