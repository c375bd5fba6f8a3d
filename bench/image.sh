#!/bin/sh
# Builds the production image where no registry of images is reached, and runs it: the base image is made here, of Debian
# (debootstrap), the project's own Node and this machine's npm, under the name that the Dockerfile asks for. Minutes; as
# root; needs docker.io, debootstrap, iproute2. Everything is in a folder of its own and goes at the end.
#   bench/image.sh [TARGET]      production (default), development, test
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=${1:-production}
work=$(mktemp -d /var/tmp/ollascope-image-XXXXXX)
socket=unix://$work/docker.sock
# Debian's own client before any other: it has the builder of its daemon.
export PATH="/usr/sbin:/usr/bin:$PATH" DOCKER_HOST="$socket" DOCKER_BUILDKIT=1 HOME="$work"
daemon=

finish() {
  [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; }
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

tag=$(sed -n 's/^ARG NODE_VERSION=//p' "$root/Dockerfile")-$(sed -n 's/^ARG DEBIAN_VARIANT=//p' "$root/Dockerfile")
tree=$work/tree
"$root/test/stack/base-tree.sh" "$tree"

dockerd --data-root="$work/data" --exec-root="$work/exec" --pidfile="$work/pid" --host="$socket" --bridge=none \
  --iptables=false --ip6tables=false --log-level=warn >"$work/dockerd.log" 2>&1 &
daemon=$!
tries=0
until docker version >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { tail -20 "$work/dockerd.log"; exit 1; }
  sleep 0.5
done
tar -C "$tree" -cf - . | docker import --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' - "node:$tag" >/dev/null

began=$(date +%s)
timeout 540 docker build --progress=plain --network=host --target "$target" --build-arg REVISION=bench --tag ollascope:bench "$root"
echo "built $target in $(($(date +%s) - began)) s, $(docker image inspect --format '{{.Size}}' ollascope:bench) bytes"
[ "$target" = production ] || exit 0

began=$(date +%s)
docker build --quiet --network=host --target production --build-arg REVISION=bench --tag ollascope:bench "$root" >/dev/null
echo "and again, from the cache, in $(($(date +%s) - began)) s"
# As the stack runs it.
run() {
  docker run --network=none --read-only --cap-drop=ALL --security-opt=no-new-privileges --pids-limit=256 --tmpfs=/tmp "$@"
}
run --rm ollascope:bench --version
run --rm ollascope:bench check-config
run --detach --name serve ollascope:bench >/dev/null
tries=0
until [ "$(docker inspect --format '{{.State.Health.Status}}' serve)" = healthy ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 90 ] || { docker inspect --format '{{json .State.Health}}' serve; docker logs serve; exit 1; }
  sleep 0.5
done
echo "healthy; as user $(docker exec serve id -un), $(docker exec serve node -p process.version), npm $(docker exec serve sh -c 'command -v npm || echo none')"
docker stop --time 40 serve >/dev/null
echo "ended with $(docker inspect --format '{{.State.ExitCode}}' serve)"
docker logs serve | tail -1
