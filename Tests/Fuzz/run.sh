#!/usr/bin/env bash
# Gives each reader of foreign bytes what libFuzzer makes of Tests/Corpus, guided by coverage. Ends with an error at the
# first trap, and the first time that a reader takes more memory than its bound. For Linux.
#
#   Tests/Fuzz/run.sh                  ten minutes for each reader
#   Tests/Fuzz/run.sh 60 csv jobs      a minute for each of these two
#
# Below .build/fuzz: in corpus/ what has been found so far, which the next run starts from; READER-crash-… for an input
# that ends a reader, to be given as `LOCKSTEP_FUZZ=READER .build/fuzz/release/Fuzz FILE`.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-600}
readers=("${@:2}")
if [ ${#readers[@]} -eq 0 ]; then readers=(from-worker from-coordinator idx csv jobs safetensors); fi

# Swift's own report of a trap would keep libFuzzer from saving the input.
export SWIFT_BACKTRACE=enable=no
LOCKSTEP_FUZZ=build swift build -c release --scratch-path .build/fuzz --product Fuzz \
  -Xswiftc -sanitize=fuzzer -Xswiftc -enable-testing -Xcc -fsanitize=fuzzer-no-link
for reader in "${readers[@]}"; do
  found=.build/fuzz/corpus/$reader
  mkdir -p "$found"
  printf '\n== %s\n' "$reader"
  LOCKSTEP_FUZZ=$reader .build/fuzz/release/Fuzz -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 \
    -print_final_stats=1 -artifact_prefix=".build/fuzz/$reader-" "$found" "Tests/Corpus/$reader"
done
