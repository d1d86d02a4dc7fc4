#!/usr/bin/env bash
# Builds the bench preset, serves a data set from a temporary directory, and compares its search with hnswlib.
#   bench/run.sh [mnist|fashion3k] [arguments of search_bench]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data=${1:-mnist}; shift || true
port=${PORT:-15902}
url=http://127.0.0.1:$port
files=${VECTORIZER_TEST_DATA:-$root/../shared/data}

cd "$root"
cmake --preset bench
cmake --build --preset bench --target vectorizer search_bench
build=$root/build/bench
work=$(mktemp -d)
server=
stop() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap stop EXIT

(cd "$work" && exec "$build/src/app/vectorizer" --port "$port") > "$work/log" 2>&1 &
server=$!
for _ in $(seq 300); do
  "$build/src/app/vectorizer" health --url "$url" > "$work/health" 2>&1 && break
  kill -0 "$server" || { cat "$work/log" >&2; exit 1; }
  sleep 0.1
done
"$build/src/app/vectorizer" import "$files/$data.base.bvecs.gz" --payload "$files/$data.payload.jsonl.gz" \
  --collection bench --create --metric euclidean --shards 1 --url "$url" --state-dir "$work"
until curl -sf "$url/collections/bench" | jq -e '.indexed_vector_count == .vector_count' > "$work/indexed"; do sleep 1; done
mkdir -p "$build/cache"
"$build/bench/search_bench" --data "$data" --port "$port" --cache "$build/cache" --server-pid "$server" "$@"
