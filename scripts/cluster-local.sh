#!/usr/bin/env bash
# Three real nodes on this machine: the configuration of the deployment guide with local ports.
#
#   scripts/cluster-local.sh up          installs and builds what is missing, starts the nodes, waits until they are ready
#   scripts/cluster-local.sh status      processes, nodes and shards
#   scripts/cluster-local.sh kill N      kill -9 of node N        (start N: starts it again)
#   scripts/cluster-local.sh pause N     SIGSTOP                  (resume N: SIGCONT)
#   scripts/cluster-local.sh stop N      SIGTERM, and waits
#   scripts/cluster-local.sh down        stops all; the data stays (down --wipe removes it)
#
# REST on 15002, 15004, 15006; between nodes 15003, 15005, 15007; $VECTORIZER_LOCAL_PORT is the first of the six. Data and
# logs in ./data-cluster, or in $VECTORIZER_LOCAL_DIR. $VECTORIZER_BINARY is used instead of a build if it is set.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=${VECTORIZER_LOCAL_DIR:-$PWD/data-cluster}
nodes=(1 2 3)

first_port=${VECTORIZER_LOCAL_PORT:-15002}
rest_port() { echo $((first_port + 2 * ($1 - 1))); }
grpc_port() { echo $((first_port + 2 * ($1 - 1) + 1)); }
pid_file() { echo "$home/node-$1/pid"; }
log_file() { echo "$home/node-$1/log"; }
die() { echo "cluster-local: $*" >&2; exit 1; }
usage() { sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

binary() {
  if [ -n "${VECTORIZER_BINARY:-}" ]; then echo "$VECTORIZER_BINARY"; return; fi
  (
    cd "$root"
    scripts/install-deps.sh
    cmake --preset release
    cmake --build --preset release --target vectorizer
  ) >&2
  echo "$root/build/release/src/app/vectorizer"
}

pid_of() {
  local pid
  pid=$(cat "$(pid_file "$1")" 2>/dev/null) && kill -0 "$pid" 2>/dev/null && echo "$pid"
}

node_argument() {
  [[ "${1:-}" =~ ^[1-3]$ ]] || die "which node? 1, 2 or 3"
  echo "$1"
}

write_config() {
  local number=$1 other
  mkdir -p "$home/node-$number"
  {
    printf 'server:\n  host: "127.0.0.1"\n  port: %s\n\nstorage:\n  data_dir: "%s"\n\n' \
      "$(rest_port "$number")" "$home/node-$number/data"
    printf 'cluster:\n  enabled: true\n  node_id: "node-%s"\n  discovery: "static"\n  timeout_ms: 5000\n  retry_count: 3\n' "$number"
    printf '  insecure: true  # every node is on this machine\n  servers:\n'
    for other in "${nodes[@]}"; do
      printf '    - id: "node-%s"\n      address: "127.0.0.1"\n      grpc_port: %s\n' "$other" "$(grpc_port "$other")"
    done
  } > "$home/node-$number/config.yml"
}

start_node() {
  local number=$1 program=$2
  pid_of "$number" >/dev/null && die "node $number runs already"
  write_config "$number"
  setsid "$program" --config "$home/node-$number/config.yml" >> "$(log_file "$number")" 2>&1 < /dev/null &
  echo $! > "$(pid_file "$number")"
}

stop_node() {
  local pid
  pid=$(pid_of "$1") || return 0
  kill -CONT "$pid"
  kill -TERM "$pid"
  for _ in $(seq 300); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -0 "$pid" 2>/dev/null && die "node $1 (pid $pid) did not stop within 30 s"
  rm -f "$(pid_file "$1")"
}

wait_ready() {
  local number
  for number in "${nodes[@]}"; do
    for _ in $(seq 600); do
      curl -fsS -o /dev/null "http://127.0.0.1:$(rest_port "$number")/health/ready" 2>/dev/null && continue 2
      pid_of "$number" >/dev/null || { tail -n 20 "$(log_file "$number")" >&2; die "node $number ended"; }
      sleep 0.1
    done
    tail -n 20 "$(log_file "$number")" >&2
    die "node $number is not ready after 60 s"
  done
}

status() {
  local number pid
  for number in "${nodes[@]}"; do
    if pid=$(pid_of "$number"); then
      echo "node-$number: pid $pid ($(ps -o stat= -p "$pid" | tr -d ' ')), http://127.0.0.1:$(rest_port "$number")"
    else
      echo "node-$number: not running"
    fi
  done
  for number in "${nodes[@]}"; do
    curl -fsS --max-time 5 "http://127.0.0.1:$(rest_port "$number")/api/v1/cluster/nodes" 2>/dev/null || continue
    echo
    curl -fsS --max-time 5 "http://127.0.0.1:$(rest_port "$number")/api/v1/cluster/shard-distribution" && echo
    return
  done
}

case "${1:-}" in
  up)
    program=$(binary)
    for number in "${nodes[@]}"; do pid_of "$number" >/dev/null || start_node "$number" "$program"; done
    wait_ready
    status
    ;;
  down)
    for number in "${nodes[@]}"; do stop_node "$number"; done
    if [ "${2:-}" = --wipe ]; then rm -rf "$home"; fi
    ;;
  start) number=$(node_argument "${2:-}"); program=$(binary); start_node "$number" "$program" ;;
  stop) stop_node "$(node_argument "${2:-}")" ;;
  kill | pause | resume)
    number=$(node_argument "${2:-}")
    pid=$(pid_of "$number") || die "node $number does not run"
    case "$1" in
      kill) kill -KILL "$pid"; rm -f "$(pid_file "$number")" ;;
      pause) kill -STOP "$pid" ;;
      resume) kill -CONT "$pid" ;;
    esac
    ;;
  status) status ;;
  *) usage ;;
esac
