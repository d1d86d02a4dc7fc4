#!/usr/bin/env bash
# Puts a backup of a node back: scripts/restore.sh BACKUP.tar.gz DATA_DIR
#
# BACKUP is what scripts/backup.sh made, or `tar -czf BACKUP DATA_DIR` of a stopped node. DATA_DIR must be empty or not
# exist. Then start the node: a single one goes on; nodes of a cluster wait until all of them are restored and form a new
# cluster with what they hold (docs/backup.md).
# Exit status: 0 restored, 1 failed (DATA_DIR is as before), 2 wrong usage.
set -euo pipefail

die() { echo "restore: $*" >&2; exit 1; }
[ $# -eq 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
backup=$1 data_dir=${2%/}
[ -r "$backup" ] || die "cannot read '$backup'"
if [ -e "$data_dir" ] && [ -n "$(ls -A "$data_dir")" ]; then die "'$data_dir' is not empty"; fi

# How many directories the tar has above the data directory: the shortest way to its database says it.
current=$(tar -tzf "$backup" | grep -E '(^|/)db/CURRENT$' | awk '{ print gsub("/", "/"), $0 }' | sort -n | head -n 1 | cut -d' ' -f2-) ||
  true
[ -n "$current" ] || die "'$backup' is no backup of a node, or is damaged"
above=${current%db/CURRENT}
depth=$(tr -cd / <<<"$above" | wc -c)

mkdir -p "$(dirname "$data_dir")"
partial=$data_dir.restoring
trap 'rm -rf "$partial"' EXIT
rm -rf "$partial"
mkdir "$partial"
tar -xzf "$backup" -C "$partial" --strip-components="$depth" --exclude="${above}snapshots" || die "'$backup' is damaged"
[ -e "$partial/RESTORE" ] || echo '{"format":1}' >"$partial/RESTORE"
sync -f "$partial"
if [ -e "$data_dir" ]; then rmdir "$data_dir"; fi
mv "$partial" "$data_dir"
echo "$data_dir"
