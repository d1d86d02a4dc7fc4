#!/usr/bin/env bash
# Saves what one node has on its disk, as a tar that restores it: scripts/restore.sh, or tar -xzf FILE -C /.
#
#   scripts/backup.sh [--url URL] [--output FILE] [--as DIR]     of a node that runs: it makes a consistent snapshot, which
#                                                                is saved and removed again. On the machine of the node.
#   scripts/backup.sh --data-dir DIR [--output FILE] [--as DIR]  of a node that is stopped
#
# URL is http://127.0.0.1:15002 unless given; FILE is backup-YYYYMMDD.tar.gz in the current directory, and must not exist.
# The tar has the files under DIR without the leading /, as `tar -czf FILE DIR` has them: the data directory, unless
# snapshots.directory is set, or --as says otherwise.
# Exit status: 0 saved, 1 failed (nothing is left behind), 2 wrong usage. Back up every node of a cluster, one after
# another or all at once; see docs/backup.md.
set -euo pipefail

die() { echo "backup: $*" >&2; exit 1; }
usage() { sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

url=http://127.0.0.1:15002 data_dir="" as="" output=backup-$(date +%Y%m%d).tar.gz
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --url) url=${2%/} ;;
    --data-dir) data_dir=$2 ;;
    --output) output=$2 ;;
    --as) as=$2 ;;
    *) usage ;;
  esac
  shift 2
done
[ ! -e "$output" ] || die "'$output' exists"

snapshot="" scratch=$(mktemp -d)
clean_up() {
  if [ -n "$snapshot" ]; then curl -sS -o /dev/null -X DELETE "$url/api/v1/snapshots/$snapshot?scope=node" || true; fi
  rm -rf "$scratch" "$output.partial"
}
trap clean_up EXIT

# The value of the last member of that name: the status of the whole is behind those of its parts.
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }
ask() {
  curl -sS --max-time 120 -w '\n%{http_code}' "$@" >"$scratch/reply" || die "no answer from $url"
  case $(tail -n 1 "$scratch/reply") in
    2*) head -n 1 "$scratch/reply" ;;
    *) die "$(head -n 1 "$scratch/reply")" ;;
  esac
}
# pack FROM PREFIX FILE... : the files below FROM under PREFIX in the tar.
pack() {
  local from=$1 prefix=$2
  shift 2
  tar -czf "$output.partial" --numeric-owner --transform "s,^\./,${prefix#/}/," -C "$from" "$@"
  sync "$output.partial"
  mv "$output.partial" "$output"
}

if [ -n "$data_dir" ]; then
  data_dir=$(cd "$data_dir" && pwd) || die "no directory '$data_dir'"
  [ -e "$data_dir/db/CURRENT" ] || die "'$data_dir' is no data directory of a node"
  echo '{"format":1}' >"$scratch/RESTORE"
  # The lock of the node: nobody starts it meanwhile.
  exec 9<>"$data_dir/db/vectorizer.lock"
  flock -n 9 || die "'$data_dir' is in use: stop the node, or give its --url"
  pack "$data_dir" "${as:-$data_dir}" --exclude=./snapshots --exclude=./db/vectorizer.lock --exclude=./RESTORE --exclude=./snapshot.json \
    . -C "$scratch" ./RESTORE
else
  name=backup-$(date +%Y%m%dT%H%M%S)-$$
  reply=$(ask -X POST -H 'Content-Type: application/json' -d "{\"name\":\"$name\",\"scope\":\"node\"}" "$url/api/v1/snapshots")
  snapshot=$name
  while [ "$(member status <<<"$reply")" = creating ]; do
    sleep 1
    reply=$(ask "$url/api/v1/snapshots/$name?scope=node")
  done
  path=$(member path <<<"$reply")
  [ -d "$path" ] || die "the snapshot is not on this machine: '$path'. Run this where the node runs"
  pack "$path" "${as:-$(dirname "$(dirname "$path")")}" .
fi
echo "$output"
