#!/bin/sh
# Makes a folder of which `docker import` makes base images, where no registry of images is reached: Debian (debootstrap)
# with these packages, the project's own Node, and npm and the certificates of this machine. Under a minute; as root.
#   base-tree.sh FOLDER [PACKAGE...]
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
tree=${1:?usage: base-tree.sh FOLDER [PACKAGE...]}
shift
variant=$(sed -n 's/^ARG DEBIAN_VARIANT=//p' "$root/Dockerfile")
include=$(IFS=,; echo "ca-certificates${*:+,$*}")

timeout 600 debootstrap --variant=minbase --include="$include" "${variant%-slim}" "$tree" >"$tree.log" 2>&1 ||
  { tail -20 "$tree.log" >&2; exit 1; }
rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc "$tree"/usr/share/man \
  "$tree"/usr/share/locale "$tree"/usr/share/javascript
cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"

# As the image of Node has them.
install -D "$root/node_modules/node/bin/node" "$tree/usr/local/bin/node"
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
mkdir -p "$tree/usr/local/lib/node_modules"
cp -a "$npm" "$tree/usr/local/lib/node_modules/npm"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$tree/usr/local/bin/npm"
ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$tree/usr/local/bin/npx"
chroot "$tree" useradd --uid 1000 --create-home node
# Those of Prometheus and Alertmanager have these.
install -d -o 65534 -g 65534 "$tree/prometheus" "$tree/alertmanager"
