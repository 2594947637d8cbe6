#!/bin/sh
# Builds a substitute for the base image of the Dockerfile from Debian packages and the Node of the
# npm packages, for machines without access to an image registry. Does nothing if the image exists.
#   sh docker/base.sh [--force]
set -eu
cd "$(dirname "$0")/.."
image=$(sed -n 's/^FROM \(node:[^ ]*\).*/\1/p' docker/Dockerfile | head -n 1)
if [ "${1:-}" != --force ] && docker image inspect "$image" >/dev/null 2>&1; then
  echo "base: $image exists" >&2
  exit 0
fi
fail() { echo "base: $1" >&2; exit 69; }
[ "$(id -u)" = 0 ] || fail "mmdebstrap needs root:  sudo sh docker/base.sh"
command -v docker >/dev/null || fail "docker is missing:  apt-get install docker.io docker-compose"
docker info >/dev/null 2>&1 || fail "no Docker engine answers:  systemctl start docker   (or run dockerd yourself)"
command -v mmdebstrap >/dev/null || apt-get install -y -qq --no-install-recommends mmdebstrap >&2
[ -x node_modules/node/bin/node ] || sh setup.sh build
# The npm that is installed on this machine.
npm=$(readlink -f "$(command -v npm)")
npm=${npm%/bin/*}
[ -e "$npm/bin/npm-cli.js" ] || fail "npm is missing: apt-get install npm"

release=${image#*-}
release=${release%-slim}
# This machine's package source if it has the release; mmdebstrap's default otherwise.
mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' | sed -n "s/^$release //p" | head -n 1)
# Includes the packages that the Dockerfile installs: one package manager run instead of four.
packages=$(sed -n 's/^# base-packages: //p' docker/Dockerfile | tr ' ' ',' | paste -sd, -)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

# Adds Node and npm, this machine's additional certificate authorities (npm in the image uses the
# same proxy), and, like Debian's own images, dpkg without fsync.
cat >"$scratch/add" <<END
set -eu
install -m 755 "$PWD/node_modules/node/bin/node" "\$1/usr/local/bin/node"
mkdir -p "\$1/usr/local/lib/node_modules"
cp -rL "$npm" "\$1/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "\$1/usr/local/bin/npm"
if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
  cp /usr/local/share/ca-certificates/*.crt "\$1/usr/local/share/ca-certificates/"
  chroot "\$1" update-ca-certificates
fi
echo force-unsafe-io >"\$1/etc/dpkg/dpkg.cfg.d/unsafe-io"
END
echo "base: building $image from Debian packages (a minute or two)" >&2
mmdebstrap --quiet --variant=minbase --include="ca-certificates,$packages" --customize-hook="sh $scratch/add \"\$1\"" \
  "$release" "$scratch/base.tar" ${mirror:+"$mirror"} >&2
docker import -c 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' -c 'CMD ["node"]' "$scratch/base.tar" "$image" >/dev/null
echo "base: $image is ready" >&2
