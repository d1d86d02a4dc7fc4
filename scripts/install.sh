#!/usr/bin/env bash
# Installs vectorizer on Debian 12 or 13 (amd64, arm64): the program, the user, the systemd units, /etc/vectorizer/config.yml.
# It is a Debian package: repeating this upgrades it, and keeps configuration and data. Needs root or sudo.
#
#   curl -fsSL https://raw.githubusercontent.com/hivellm/vectorizer/main/scripts/install.sh | bash
#   scripts/install.sh                    in a checkout: builds it, and installs that
#   ./install.sh                          in an unpacked release tarball: installs the package beside it
#   ... | bash -s -- --from URL|FILE      a release tarball from somewhere else; URL.sha256 (FILE.sha256) must lie beside it
#   ... | bash -s -- --uninstall          removes the program; configuration and data stay
#   ... | bash -s -- --uninstall --purge  removes them as well
#
# $VECTORIZER_BUILD_DIR: a finished build of the checkout, instead of building.
set -euo pipefail
shopt -s inherit_errexit

release_url=https://github.com/hivellm/vectorizer/releases/latest/download

say() { printf 'install: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
apt() { root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" < /dev/null; }
usage() { die "usage: install.sh [--from URL|FILE | --uninstall [--purge]]"; }

# "debian12-amd64"
platform() {
  local id version
  id=$(. /etc/os-release && echo "${ID:-}") version=$(. /etc/os-release && echo "${VERSION_ID:-}")
  case "$id:$version" in
    debian:12 | debian:13) echo "debian$version-$(dpkg --print-architecture)" ;;
    *) die "this is not Debian 12 or 13; build from source: CONTRIBUTING.md" ;;
  esac
}

# Where this script lies, or nothing: piped into bash it lies nowhere.
here() {
  local script=${BASH_SOURCE[0]:-}
  if [ -f "$script" ]; then cd "$(dirname "$script")" && pwd; fi
}
is_checkout() { [ -f "$1/../CMakeLists.txt" ] && [ -d "$1/../src/app" ]; }
is_release() { [ -f "$1/SHA256SUMS" ] && compgen -G "$1/vectorizer_*.deb" > /dev/null; }

# Writes the package into the directory $2 and prints its path.
package_of_checkout() {
  local top=$1 directory=$2 build=${VECTORIZER_BUILD_DIR:-}
  if [ -z "$build" ]; then
    build=$top/build/release
    (
      cd "$top"
      scripts/install-deps.sh
      cmake --preset release
      cmake --build --preset release --target vectorizer
    ) >&2
  fi
  (cd "$build" && cpack -G DEB -B "$directory") > "$directory/log" 2>&1 || { tail -n 20 "$directory/log" >&2; die "cpack failed"; }
  ls "$directory"/vectorizer_*.deb
}

fetch() {
  case "$1" in
    http://* | https://*) curl -fsSL --retry 3 --max-time 600 -o "$2" "$1" || die "cannot fetch $1" ;;
    *) cp "$1" "$2" || die "cannot read $1" ;;
  esac
}

package_of_unpacked() {
  (cd "$1" && sha256sum --check --quiet SHA256SUMS) >&2 || die "a file of $2 is damaged; nothing was installed"
  ls "$1"/vectorizer_*.deb
}

package_of_release() {
  local from=$1 directory=$2 wanted is
  fetch "$from" "$directory/release.tar.gz"
  fetch "$from.sha256" "$directory/release.sha256"
  wanted=$(cut -d ' ' -f 1 "$directory/release.sha256")
  is=$(sha256sum "$directory/release.tar.gz" | cut -d ' ' -f 1)
  [ "$wanted" = "$is" ] || die "the checksum of $from is wrong: it should be $wanted, it is $is; nothing was installed"
  mkdir "$directory/release"
  tar -xzf "$directory/release.tar.gz" -C "$directory/release"
  package_of_unpacked "$directory/release" "$from"
}

# A changed configuration is kept without a question.
apt_install() {
  apt install -y --no-install-recommends --reinstall --allow-downgrades -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold "$1" > "$work/apt.log" 2>&1
}

install_package() {
  command -v systemctl > /dev/null || say "warning: there is no systemd here; start the server yourself: vectorizer --config FILE"
  # The lists of packages are fetched only if the libraries are not there yet, and not known.
  if ! apt_install "$1"; then
    apt update || say "warning: apt-get update failed; going on with the lists that are here"
    apt_install "$1" || { tail -n 20 "$work/apt.log" >&2; die "the package could not be installed"; }
  fi
  vectorizer --version
  [ -d /run/systemd/system ] || return 0
  say "configuration: /etc/vectorizer/config.yml; data: /var/lib/vectorizer/data; log: journalctl -u vectorizer"
  systemctl is-active --quiet vectorizer || say "start it: systemctl enable --now vectorizer"
}

uninstall() {
  local how=remove
  [ "$1" = yes ] && how=purge
  if ! dpkg-query -W -f '${Status}' vectorizer 2> /dev/null | grep -qE 'ok (installed|config-files)'; then
    say "vectorizer is not installed"
    return
  fi
  apt "$how" -y vectorizer > /dev/null
  if [ "$how" = purge ]; then say "removed, with configuration and data"; else say "removed; /etc/vectorizer and /var/lib/vectorizer stay"; fi
}

# The package to install, copied to where apt, which reads it as another user, can: this may lie in somebody's home.
chosen_package() {
  local from=$1 place on package
  on=$(platform)
  place=$(here)
  if [ -n "$from" ]; then
    package=$(package_of_release "$from" "$work")
  elif [ -n "$place" ] && is_checkout "$place"; then
    package=$(package_of_checkout "$(cd "$place/.." && pwd)" "$work")
  elif [ -n "$place" ] && is_release "$place"; then
    package=$(package_of_unpacked "$place" "$place")
  else
    package=$(package_of_release "$release_url/vectorizer-$on.tar.gz" "$work")
  fi
  install -D -m 0644 -t "$work/install" "$package"
  ls "$work"/install/*.deb
}

# All of it is read before any of it runs: a download that breaks off does nothing.
main() {
  local from='' remove='' purge='' package
  while [ $# -gt 0 ]; do
    case "$1" in
      --from) [ $# -ge 2 ] || usage; from=$2; shift ;;
      --uninstall) remove=yes ;;
      --purge) purge=yes ;;
      *) usage ;;
    esac
    shift
  done
  [ "$(id -u)" -eq 0 ] || command -v sudo > /dev/null || die "run this as root, or install sudo"
  if [ -n "$remove" ]; then uninstall "$purge"; return; fi
  [ -z "$purge" ] || usage
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  package=$(chosen_package "$from")
  install_package "$package"
}

main "$@"
