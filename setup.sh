#!/bin/sh
# Prepares a fresh clone for the demo, the tests or the benchmarks: npm packages (Node among them),
# the compiler, OpenSSL's library, the addon, the Debian packages of the lab. Installs only missing
# parts. An ordinary user gets the command that root has to run.
#   sh setup.sh demo|test|bench|vm|build
set -eu
cd "$(dirname "$0")"
purpose=${1:-build}

missing=""
for pair in make:make g++:g++; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
# The compiler shows whether the addon's library and its headers are installed.
if ! echo '#include <openssl/evp.h>' | g++ -x c++ -E - >/dev/null 2>&1 || [ "$(g++ -print-file-name=libcrypto.a)" = libcrypto.a ]; then
  missing="$missing libssl-dev"
fi
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "setup: installing$missing" >&2
    apt-get update -qq >&2
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
  else
    echo "setup: build dependencies are missing. Install them with:  sudo apt-get install$missing" >&2
    exit 69
  fi
fi

if [ ! -x node_modules/.bin/node ] || [ package.json -nt node_modules/.package-lock.json ]; then
  echo "setup: installing npm packages (Node 26 among them)" >&2
  npm install --no-fund --no-audit --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
PATH="$PWD/node_modules/.bin:$PATH"
export PATH

if ! make -q -C native >/dev/null 2>&1; then
  echo "setup: building the data plane" >&2
  make -s -j"$(nproc)" -C native >&2
fi
[ "$purpose" = build ] && exit 0
[ -d native/tools ] && make -s -j"$(nproc)" -C native/tools >&2
exec node lab/requirements.ts "$purpose" >&2
