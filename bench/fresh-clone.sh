#!/bin/sh
# What README promises after a clone, in a container that has Debian, make and npm and nothing else: first as root, then
# as an ordinary user. A quarter of an hour; as root; needs docker.io, debootstrap, iproute2, git, curl, and the ports
# 11434, 11435 and 9435 of loopback. What is committed counts. Everything is in a folder of its own and goes at the end.
#   bench/fresh-clone.sh [USER]...      root somebody (default)
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ $# -gt 0 ] || set -- root somebody
work=$(mktemp -d /var/tmp/ollascope-clone-XXXXXX)
socket=unix://$work/docker.sock
# Debian's own client before any other: it goes with its daemon.
export PATH="/usr/sbin:/usr/bin:$PATH" DOCKER_HOST="$socket" HOME="$work"
metrics=http://127.0.0.1:9435/metrics
daemon=

finish() {
  [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; }
  # What a daemon leaves mounted for the host's network.
  umount "$work"/exec/netns/* 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

# fail WHAT [LOG]
fail() {
  [ $# -lt 2 ] || tail -400 "$2" >&2
  echo "FAILED${user:+ as $user}: $1" >&2
  exit 1
}

# wait_for SECONDS WHAT LOG COMMAND...
wait_for() {
  deadline=$(($(date +%s) + $1)) what=$2 log=$3
  shift 3
  until "$@"; do
    [ "$(date +%s)" -lt "$deadline" ] || fail "no $what in time" "$log"
    sleep 0.2
  done
}

listening() { ss -Hltn '( sport = :11434 or sport = :11435 or sport = :9435 )'; }
need_ports() { [ -z "$(listening)" ] || fail "ports 11434, 11435 and 9435 must be free here: $(listening)"; }

# inside SECONDS COMMAND...: in the clone, as the user
inside() {
  limit=$1
  shift
  timeout "$limit" docker exec --user "$user" --workdir "/home/$user/ollascope" clone "$@"
}

# check SECONDS TARGET: ends well, and nobody asks for a program that is missing
check() {
  began=$(date +%s)
  inside "$1" make "$2" >"$work/$2.log" 2>&1 || fail "make $2 ended with $?" "$work/$2.log"
  no_leak "$work/$2.log"
  echo "make $2: $(($(date +%s) - began)) s"
}

no_leak() { ! grep -E 'not found|No such file|ENOENT|Permission denied|npm (WARN|ERR)' "$1" || fail "a message that helps nobody" "$1"; }

counted() { curl -s --max-time 2 "$metrics" | grep -q '^ollama_requests_total{.*} [1-9]'; }
nothing_left() { [ -z "$(listening)" ] && ! docker top clone -eo pid,args | grep -q node_modules; }

# try_run SIGNAL TO: starts "make run", sees numbers move and a stream arrive, and ends it
try_run() {
  need_ports
  began=$(date +%s)
  # shellcheck disable=SC2016 # the shell in the container says which process it is
  inside 900 sh -c 'echo $$ >/tmp/run.pid; exec make run' >"$work/run.log" 2>&1 &
  running=$!
  wait_for 600 "number that moves" "$work/run.log" counted
  echo "make run: ollama_requests_total moves after $(($(date +%s) - began)) s"
  grep -q 'NO OLLAMA at' "$work/run.log" || fail 'it does not say that a stand-in plays Ollama' "$work/run.log"

  curl -sN --max-time 60 -w '%{http_code} %{time_starttransfer} %{time_total}\n' http://127.0.0.1:11435/api/chat \
    -d '{"model":"chat:270m","messages":[{"role":"user","content":"hi"}]}' >"$work/stream.log" || fail 'no stream' "$work/stream.log"
  grep '"done":true' "$work/stream.log" >/dev/null || fail 'a stream without its end' "$work/stream.log"
  lines=$(grep -c '"done":false' "$work/stream.log") || fail 'a stream of one line' "$work/stream.log"
  echo "a stream of $lines lines and its end; status, first byte, whole: $(tail -1 "$work/stream.log")"

  check 120 doctor
  ! grep '^FAIL' "$work/doctor.log" || fail 'doctor finds something' "$work/doctor.log"
  tail -1 "$work/doctor.log"

  began=$(date +%s)
  inside 10 sh -c "kill -$1 $2\$(cat /tmp/run.pid)"
  code=0
  wait "$running" || code=$?
  echo "SIG$1: ended with $code after $(($(date +%s) - began)) s: $(tail -1 "$work/run.log")"
  wait_for 10 'end of what it started' "$work/run.log" nothing_left
  no_leak "$work/run.log"
}

need_ports
tree=${BASE_TREE:-$work/tree}
if [ ! -d "$tree" ]; then
  timeout 900 debootstrap --variant=minbase bookworm "$tree" >"$work/debootstrap.log" 2>&1 ||
    fail 'debootstrap' "$work/debootstrap.log"
  # debootstrap itself does not see through the packages that npm asks for; git and a compiler are only recommended.
  timeout 900 chroot "$tree" sh -c 'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends make npm' \
    >"$work/debootstrap.log" 2>&1 || fail 'apt-get install make npm' "$work/debootstrap.log"
fi
cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"
# Root's clone is in a folder beside the others'.
chroot "$tree" sh -c 'mkdir -p /home/root; id somebody >/dev/null 2>&1 || useradd --uid 1000 --create-home somebody'
git clone --quiet --no-local "$root" "$work/ollascope"

dockerd --data-root="$work/data" --exec-root="$work/exec" --pidfile="$work/pid" --host="$socket" --bridge=none \
  --iptables=false --ip6tables=false --log-level=warn >"$work/dockerd.log" 2>&1 &
daemon=$!
wait_for 30 'answer of dockerd' "$work/dockerd.log" eval 'docker version >/dev/null 2>&1'
tar -C "$tree" -cf - . | docker import --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' - debian:bare >/dev/null

for user; do
  # Its first process has no other work than to reap.
  docker run --rm --detach --name clone --network=host debian:bare sh -c 'sleep infinity & wait' >/dev/null
  tar -C "$work" -cf - ollascope | docker exec --interactive --user "$user" clone tar -C "/home/$user" --no-same-owner -xf -
  echo "== as $user ($(inside 10 id)), with node $(inside 10 node --version), npm $(inside 60 npm --version)"
  ! inside 10 sh -c 'command -v git curl docker jq' || fail 'the container has more than it should'
  check 10 help
  try_run INT -
  try_run TERM ''
  check 60 build
  ! inside 120 make doctor >"$work/doctor.log" 2>&1 || fail 'doctor finds nothing where nothing runs' "$work/doctor.log"
  no_leak "$work/doctor.log"
  echo "make doctor, nothing runs: $(grep '^NOT healthy' "$work/doctor.log")"
  check 600 lint
  began=$(date +%s)
  inside 2400 make test >"$work/test.log" 2>&1 || fail "make test ended with $?" "$work/test.log"
  tail -1 "$work/test.log" | grep -Eq '^[0-9]+ passed, 0 failed, [0-9]+ skipped$' || fail 'make test' "$work/test.log"
  sed -n '/^Skipped, since/,$p' "$work/test.log"
  echo "make test: $(($(date +%s) - began)) s"
  nothing_left || fail "something is left: $(docker top clone)"
  docker rm --force clone >/dev/null
done
echo 'all as README says'
