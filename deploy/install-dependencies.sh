#!/bin/sh
# Installs the system libraries that Lockstep builds on, and the Fashion-MNIST data where the distribution has it.
# Does nothing, quickly, where all is there. Uses apt (Debian, Ubuntu), dnf (Fedora) or brew (macOS); as root, or
# through sudo.
set -eu

say() { printf '%s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    fail "installing needs root: run this as root, or install sudo. What is missing:$missing"
  fi
}

# Keeps in $missing the words of "$@" for which the command $check fails.
find_missing() {
  check=$1
  shift
  missing=
  for package in "$@"; do
    $check "$package" >/dev/null 2>&1 || missing="$missing $package"
  done
}

has_deb() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c 1-2)" = ii ]; }

if command -v apt-get >/dev/null 2>&1; then
  find_missing has_deb libzmq3-dev zlib1g-dev dataset-fashion-mnist
  if [ -n "$missing" ]; then
    say "installing$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq ||
      fail "apt-get update failed: is there a network, and is /etc/apt/sources.list right?"
    # shellcheck disable=SC2086 # one word a package
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
      fail "apt-get could not install$missing; Debian 12 and Ubuntu 22.04 and newer have them (Ubuntu: in universe)"
  fi
elif command -v dnf >/dev/null 2>&1; then
  find_missing "rpm -q" zeromq-devel zlib-devel
  if [ -n "$missing" ]; then
    # Newer Fedora gives zlib-devel by another package's name.
    say "installing$missing"
    # shellcheck disable=SC2086
    as_root dnf install -y -q $missing || fail "dnf could not install$missing; Fedora has them, RHEL needs EPEL"
  fi
elif command -v brew >/dev/null 2>&1; then
  find_missing "brew list --versions" zeromq
  if [ -n "$missing" ]; then
    say "installing$missing"
    # shellcheck disable=SC2086
    brew install --quiet $missing || fail "brew could not install$missing"
  fi
else
  fail "no apt-get, dnf or brew here: install ZeroMQ (libzmq 4.3 or newer) and zlib with their headers by hand"
fi

if command -v swift >/dev/null 2>&1; then
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
  case $version in
    [1-5].* | 6.0) fail "Swift $version is too old: 6.1 or newer is needed (https://www.swift.org/install)" ;;
  esac
else
  fail "no swift here: install Swift 6.1 or newer (https://www.swift.org/install)"
fi
