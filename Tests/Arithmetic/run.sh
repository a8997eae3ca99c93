#!/usr/bin/env bash
# Builds and runs digests.c for several compiler options and processors, and fails if a kernel's results differ between
# them in any bit, or from digests.txt.
#
#   Tests/Arithmetic/run.sh            compares
#   Tests/Arithmetic/run.sh --write    also writes digests.txt, if all variants agree: after the arithmetic and Numerics.version have changed
#
# On x86-64 Linux also runs them, under QEMU, as an arm64 program, and on an x86-64 processor without fused
# multiply-adds. Debian's QEMU and cross libraries are installed if they are missing and this user may do that.
# LOCKSTEP_NATIVE_ONLY=1 leaves these variants out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../Sources/CKernels
golden=$here/digests.txt

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}
case ${1:-} in
  '' | --write) ;;
  *) die "unknown argument $1; there is only --write" ;;
esac

# Swift's clang, which compiles the package.
clang=
if swift=$(command -v swift); then clang=$(dirname "$(readlink -f "$swift")")/clang; fi
[ -x "$clang" ] || clang=$(command -v clang) || die "there is no clang, neither beside swift nor in PATH"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

emulated=
if [ "$(uname -sm)" = 'Linux x86_64' ] && [ -z "${LOCKSTEP_NATIVE_ONLY:-}" ]; then
  emulated=yes
  missing=()
  command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
  [ -e /usr/aarch64-linux-gnu/lib/libm.a ] || missing+=(libc6-dev-arm64-cross)
  compgen -G '/usr/lib/gcc-cross/aarch64-linux-gnu/*/libgcc.a' >/dev/null || missing+=(libgcc-12-dev-arm64-cross)
  if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null ||
      die "install what Debian calls ${missing[*]}, or set LOCKSTEP_NATIVE_ONLY=1"
    sudo=
    if [ "$(id -u)" -ne 0 ]; then
      sudo -n true 2>/dev/null || die "run 'apt-get install ${missing[*]}' as root, or set LOCKSTEP_NATIVE_ONLY=1"
      sudo=sudo
    fi
    { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$folder/log" 2>&1 ||
      { cat "$folder/log" >&2; die "cannot install ${missing[*]}"; }
  fi
fi

failures=0
# Compares two files of digests; names the kernels that differ.
compare() { # variant, its digests, what they are compared with, those digests
  if cmp -s "$2" "$4"; then return; fi
  printf 'error: %s differs from %s:' "$1" "$3" >&2
  { diff "$4" "$2" || true; } | sed -n 's/^[<>] \([^ ]*\) .*/ \1/p' | sort -u | tr -d '\n' >&2
  printf '\n' >&2
  failures=$((failures + 1))
}

# Builds and runs one variant in a folder of its own. What runs the program comes before `--`, and the compiler's options
# after it.
compute() { # folder, variant, runner…, --, options…
  local place=$1 variant=$2 runner=() started=$SECONDS built status=0
  shift 2
  while [ "$1" != -- ]; do
    runner+=("$1")
    shift
  done
  shift
  "$clang" -std=c11 -Wall -Wextra -Werror "$@" -I "$kernels/include" "$here/digests.c" "$kernels"/kernels*.c \
    "$kernels/sha256.c" -o "$place/program" -lm || die "$variant: cannot be compiled"
  built=$SECONDS
  ${runner[@]+"${runner[@]}"} "$place/program" >"$place/digests" 2>"$place/errors" || status=$?
  printf '%-34s built in %2d s, ran %3d s\n' "$variant" $((built - started)) $((SECONDS - built))
  [ "$status" -eq 0 ] || {
    sed "s/^/error: $variant: /" "$place/errors" >&2
    die "$variant ended with status $status"
  }
}

# Starts a variant, as many at a time as there are cores.
variants=() running=()
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
await_first() {
  wait "${running[0]}" || failures=$((failures + 1))
  running=(${running[@]+"${running[@]:1}"})
}
run() { # variant, runner…, --, options…
  local place=$folder/${#variants[@]}
  mkdir "$place"
  variants+=("$1")
  if [ ${#running[@]} -ge "$cores" ]; then await_first; fi
  compute "$place" "$@" &
  running+=($!)
}

# The slowest first.
if [ -n "$emulated" ]; then run "x86-64 without FMA" qemu-x86_64 -cpu Nehalem -- -static -O2; fi
for level in -O2 -O0; do
  for contraction in -ffp-contract=off -ffp-contract=fast ''; do
    run "$(uname -m) $level $contraction" -- "$level" $contraction
  done
done
if [ -n "$emulated" ]; then
  for level in -O2 -O0; do
    for contraction in -ffp-contract=off -ffp-contract=fast ''; do
      run "arm64 $level $contraction" qemu-aarch64 -- --target=aarch64-linux-gnu -fuse-ld=lld -static "$level" $contraction
    done
  done
fi

while [ ${#running[@]} -gt 0 ]; do await_first; done

[ "$failures" -eq 0 ] || die "not all variants could be computed"
for ((i = 1; i < ${#variants[@]}; i++)); do
  compare "${variants[$i]}" "$folder/$i/digests" "${variants[0]}" "$folder/0/digests"
done
if [ "$failures" -eq 0 ] && [ "${1:-}" = --write ]; then cp "$folder/0/digests" "$golden"; fi
if [ -e "$golden" ]; then compare "${variants[0]}" "$folder/0/digests" digests.txt "$golden"; fi
[ "$failures" -eq 0 ] || die "the kernels' arithmetic is not the same everywhere"
printf '%d kernels give the same bits in all variants\n' "$(wc -l <"$folder/0/digests")"
