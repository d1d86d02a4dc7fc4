#!/usr/bin/env bash
# Installs what the build and the tests need, from Debian's packages only (Debian 12 and 13; root or sudo).
#
#   scripts/install-deps.sh            build and test dependencies
#   scripts/install-deps.sh --extra    also what scripts/verify-full and bench/ use (clang, promtool, valgrind, gcovr)
#
# Does nothing, quickly and without the network, when everything is there. Two packages of Debian 12 are too old:
# hnswlib 0.6.2 (no stable serialisation of what we read), and libraft 0.15 (commits entries that Raft must not
# commit yet). hnswlib 0.8.0 is header-only, its package is taken from Debian 13; libraft 0.22.1 is built from
# Debian 13's source package into /usr/local, as a static library. Both come through a private apt state in a
# temporary directory whose sources are derived from this machine's own apt configuration, which is never touched.
set -euo pipefail

packages=(
  build-essential cmake ninja-build ccache pkg-config git ca-certificates curl jq
  librocksdb-dev libsimdjson-dev libspdlog-dev libfmt-dev libyaml-cpp-dev nlohmann-json3-dev
  prometheus-cpp-dev libcli11-dev libroaring-dev libxxhash-dev zlib1g-dev libuv1-dev liblz4-dev
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc libssl-dev libsystemd-dev
  libgtest-dev libgmock-dev libbenchmark-dev python3
)
extra=(clang libclang-rt-dev prometheus valgrind clang-format clang-tidy gcovr)
hnswlib_version=0.8.0
libraft_version=0.22.1
libraft_source=0.22.1-1
libraft_dsc_sha256=b666536d53588e1dd0a512803a6a2fc34bb18424b7ac7fe1ee5fc9e19e9dfe0a
libraft_build=(autoconf automake libtool)  # needed once, where libraft is built

root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }
say() { printf 'install-deps: %s\n' "$*" >&2; }

. /etc/os-release
case "${ID:-}:${VERSION_ID:-}" in
  # Beast needs Boost 1.81 or newer; Debian 12's default is 1.74.
  debian:12) packages+=(libboost1.81-dev); extra=("${extra[@]/libclang-rt-dev/libclang-rt-14-dev}") ;;
  debian:13) packages+=(libboost-dev libhnswlib-dev libraft-dev) ;;
  *) say "warning: ${PRETTY_NAME:-this system} is not tested; Debian 12 and 13 are"; packages+=(libboost-dev libhnswlib-dev libraft-dev) ;;
esac
[ "${1:-}" = --extra ] && packages+=("${extra[@]}")

has_hnswlib() { dpkg --compare-versions "$(dpkg-query -W -f '${Version}' libhnswlib-dev 2>/dev/null || echo 0)" ge "$hnswlib_version"; }
has_libraft() { pkg-config --exists "raft >= $libraft_version" 2>/dev/null; }

missing=()
for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
case " ${packages[*]} " in
  *" libraft-dev "*) ;;
  *) has_libraft || for package in "${libraft_build[@]}"; do installed "$package" || missing+=("$package"); done ;;
esac

export DEBIAN_FRONTEND=noninteractive
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  root apt-get update -qq
  root apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null
fi

# The machine's own Debian archive lines (one-line style or deb822), with another suite, in one-line style;
# the first argument is what the lines are for: deb or deb-src.
archive_lines() {
  local type=$1 suite=$2
  { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
    sed -n -E "s#^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)[[:space:]]+${VERSION_CODENAME}[[:space:]].*#${type} \1\2 ${suite} main#p"
  awk -v RS= -v type="$type" -v suite="$suite" -v codename="$VERSION_CODENAME" '
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
            print type " " (key ~ /^\// ? "[signed-by=" key "] " : "") list[i] " " suite " main"
      }
    }' /etc/apt/sources.list.d/*.sources 2>/dev/null || true
}

# apt-get with a state of its own that knows Debian 13, for packages (deb) or sources (deb-src).
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
private_apt() { apt-get "${private[@]}" "$@"; }
open_private_apt() {
  [ -n "$work" ] || work=$(mktemp -d)
  rm -rf "${work:?}"/*
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/parts" "$work/download"
  archive_lines "$1" trixie | sort -u > "$work/sources.list"
  if [ ! -s "$work/sources.list" ]; then
    say "error: no Debian archive with suite '$VERSION_CODENAME' in /etc/apt/sources.list or sources.list.d"; exit 1
  fi
  private=(-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts"
           -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
  private_apt update -qq
}

if ! has_hnswlib; then
  say "fetching libhnswlib-dev >= $hnswlib_version from Debian 13"
  open_private_apt deb
  (cd "$work/download" && private_apt download -qq libhnswlib-dev/trixie)
  root dpkg -i "$work"/download/libhnswlib-dev_*.deb >/dev/null
  has_hnswlib || { say "error: libhnswlib-dev $hnswlib_version could not be installed"; exit 1; }
fi

# The static library and its headers; neither the tests nor the documentation of the package.
build_libraft() {
  echo "$libraft_dsc_sha256  raft_$libraft_source.dsc" | sha256sum --check --quiet &&
    dpkg-source --no-check -x "raft_$libraft_source.dsc" source &&  # checks the other files against the .dsc
    cd source &&
    autoreconf -i &&
    ./configure --prefix=/usr/local --libdir=/usr/local/lib --disable-shared --with-pic --disable-fixture CFLAGS="-O2 -g1" &&
    make -j "$(nproc)" libraft.la
}
if ! has_libraft; then
  say "building libraft $libraft_version from Debian 13's source package"
  open_private_apt deb-src
  (cd "$work/download" && private_apt source --download-only -qq "raft=$libraft_source")
  if ! (cd "$work/download" && build_libraft) > "$work/log" 2>&1; then
    tail -n 30 "$work/log" >&2; say "error: libraft $libraft_version could not be built"; exit 1
  fi
  root make -C "$work/download/source" install >/dev/null 2>&1
  root rm -f /usr/local/lib/libraft.la  # names the paths of the machine, and CMake needs none
  has_libraft || { say "error: libraft $libraft_version could not be installed"; exit 1; }
fi
