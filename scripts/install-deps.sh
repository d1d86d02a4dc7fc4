#!/usr/bin/env bash
# Installs what the build and the tests need, from Debian's packages only (Debian 12 and 13; root or sudo).
#
#   scripts/install-deps.sh            build and test dependencies
#   scripts/install-deps.sh --extra    also what scripts/verify-full and bench/ use (clang, promtool, valgrind)
#
# Does nothing, quickly and without the network, when everything is there. Debian 12 ships hnswlib 0.6.2,
# which is too old (no stable serialisation of what we read): its header-only 0.8.0 package is taken from
# Debian 13, through a private apt state in a temporary directory whose source is derived from this machine's
# own apt configuration. The machine's configuration is never touched.
set -euo pipefail

packages=(
  build-essential cmake ninja-build ccache pkg-config git ca-certificates curl jq
  librocksdb-dev libsimdjson-dev libspdlog-dev libfmt-dev libyaml-cpp-dev nlohmann-json3-dev
  prometheus-cpp-dev libcli11-dev libroaring-dev libxxhash-dev zlib1g-dev
  libgtest-dev libgmock-dev libbenchmark-dev python3
)
extra=(clang libclang-rt-dev prometheus valgrind clang-format clang-tidy)
hnswlib_version=0.8.0

root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }
say() { printf 'install-deps: %s\n' "$*" >&2; }

. /etc/os-release
case "${ID:-}:${VERSION_ID:-}" in
  # Beast needs Boost 1.81 or newer; Debian 12's default is 1.74.
  debian:12) packages+=(libboost1.81-dev); extra=("${extra[@]/libclang-rt-dev/libclang-rt-14-dev}") ;;
  debian:13) packages+=(libboost-dev libhnswlib-dev) ;;
  *) say "warning: ${PRETTY_NAME:-this system} is not tested; Debian 12 and 13 are"; packages+=(libboost-dev libhnswlib-dev) ;;
esac
[ "${1:-}" = --extra ] && packages+=("${extra[@]}")

missing=()
for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done

export DEBIAN_FRONTEND=noninteractive
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  root apt-get update -qq
  root apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null
fi

has_hnswlib() { dpkg --compare-versions "$(dpkg-query -W -f '${Version}' libhnswlib-dev 2>/dev/null || echo 0)" ge "$hnswlib_version"; }

# The machine's own Debian archive lines (one-line style or deb822), with another suite, in one-line style.
archive_lines() {
  local suite=$1
  { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
    sed -n -E "s#^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)[[:space:]]+${VERSION_CODENAME}[[:space:]].*#deb \1\2 ${suite} main#p"
  awk -v RS= -v suite="$suite" -v codename="$VERSION_CODENAME" '
    { uris = ""; suites = ""; key = ""; types = ""; enabled = "yes"
      n = split($0, lines, "\n")
      for (i = 1; i <= n; i++) {
        line = lines[i]
        if (line ~ /^Types:/)     { sub(/^Types:[ \t]*/, "", line);     types = line }
        if (line ~ /^URIs:/)      { sub(/^URIs:[ \t]*/, "", line);      uris = line }
        if (line ~ /^Suites:/)    { sub(/^Suites:[ \t]*/, "", line);    suites = " " line " " }
        if (line ~ /^Signed-By:/) { sub(/^Signed-By:[ \t]*/, "", line); key = line }
        if (line ~ /^Enabled:/)   { sub(/^Enabled:[ \t]*/, "", line);   enabled = line }
      }
      if (types ~ /deb/ && enabled != "no" && index(suites, " " codename " ")) {
        m = split(uris, list, /[ \t]+/)
        for (i = 1; i <= m; i++)
          if (list[i] != "")
            print "deb " (key ~ /^\// ? "[signed-by=" key "] " : "") list[i] " " suite " main"
      }
    }' /etc/apt/sources.list.d/*.sources 2>/dev/null || true
}

if ! has_hnswlib; then
  say "fetching libhnswlib-dev >= $hnswlib_version from Debian 13"
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/parts" "$work/download"
  archive_lines trixie | sort -u > "$work/sources.list"
  if [ ! -s "$work/sources.list" ]; then
    say "error: no Debian archive with suite '$VERSION_CODENAME' in /etc/apt/sources.list or sources.list.d"; exit 1
  fi
  private=(-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts"
           -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
  apt-get "${private[@]}" update -qq
  (cd "$work/download" && apt-get "${private[@]}" download -qq libhnswlib-dev/trixie)
  root dpkg -i "$work"/download/libhnswlib-dev_*.deb >/dev/null
  has_hnswlib || { say "error: libhnswlib-dev $hnswlib_version could not be installed"; exit 1; }
fi
