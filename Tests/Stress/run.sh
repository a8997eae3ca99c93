#!/usr/bin/env bash
# Runs what threads share under ThreadSanitizer, for Linux. Ends with an error at the first data race.
#
# A program of its own, because the tests' runner does not survive this sanitizer.
set -euo pipefail
cd "$(dirname "$0")/../.."
LOCKSTEP_STRESS=build swift build --scratch-path .build/thread --sanitize=thread --product Stress
# libzmq is not built for the sanitizer, so what it hands from thread to thread looks unordered.
suppressions=$(mktemp)
trap 'rm -f "$suppressions"' EXIT
printf 'called_from_lib:libzmq.so\nrace:libzmq.so\n' >"$suppressions"
TSAN_OPTIONS="suppressions=$suppressions halt_on_error=1 exitcode=66" .build/thread/debug/Stress "$@"
