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
[ "$(id -u)" = 0 ] || fail "mmdebstrap wants root:  sudo sh docker/base.sh"
command -v docker >/dev/null || fail "docker is missing:  apt-get install docker.io docker-compose"
docker info >/dev/null 2>&1 || fail "no Docker engine answers:  systemctl start docker   (or run dockerd yourself)"
command -v mmdebstrap >/dev/null || apt-get install -y -qq --no-install-recommends mmdebstrap >&2
[ -x node_modules/node/bin/node ] || sh setup.sh build
# As installed with the Node of this machine, whatever node is found first.
npm=$(readlink -f "$(command -v npm)")
npm=${npm%/bin/*}
[ -e "$npm/bin/npm-cli.js" ] || fail "npm is missing: apt-get install npm"

release=${image#*-}
release=${release%-slim}
# Where this machine gets its own packages from, if they are of that release; else where mmdebstrap looks by itself.
mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' | sed -n "s/^$release //p" | head -n 1)
# What the Dockerfile installs is taken along, so that it finds it there: one pass of the package manager in the place of four.
packages=$(sed -n 's/^# base-packages: //p' docker/Dockerfile | tr ' ' ',' | paste -sd, -)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

# Besides packages: Node and npm; certificate authorities that this machine was told of, a proxy's for instance: npm in the image meets the same proxy;
# and, as Debian's own images have it, packages that need not survive a power cut.
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
