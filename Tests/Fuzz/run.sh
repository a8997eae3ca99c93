#!/usr/bin/env bash
# Gives each reader of foreign bytes what libFuzzer makes of Tests/Corpus, guided by coverage. Ends with an error at the
# first trap, and the first time that a reader takes more memory than its bound. For Linux.
#
#   Tests/Fuzz/run.sh                  ten minutes for each reader
#   Tests/Fuzz/run.sh 60 csv jobs      a minute for each of these two
#
# Readers run side by side, one a core. Below .build/fuzz: in READER.log what libFuzzer said; in corpus/ what has been found
# so far, which the next run starts from; READER-crash-… for an input that ends a reader, to be given as `LOCKSTEP_FUZZ=READER .build/fuzz/release/Fuzz FILE`.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-600}
readers=("${@:2}")
if [ ${#readers[@]} -eq 0 ]; then readers=(from-worker from-coordinator to-relay idx csv jsonl npy npz jobs safetensors); fi

# Swift's own report of a trap would keep libFuzzer from saving the input.
export SWIFT_BACKTRACE=enable=no
LOCKSTEP_FUZZ=build swift build -c release --scratch-path .build/fuzz --product Fuzz \
  -Xswiftc -sanitize=fuzzer -Xswiftc -enable-testing -Xcc -fsanitize=fuzzer-no-link
fuzz() {
  # A relay reads what workers send, and what the coordinator sends to them.
  local found=.build/fuzz/corpus/$1 log=.build/fuzz/$1.log examples=Tests/Corpus/${1/to-relay/from-worker}
  mkdir -p "$found"
  if LOCKSTEP_FUZZ=$1 .build/fuzz/release/Fuzz -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 \
    -print_final_stats=1 -artifact_prefix=".build/fuzz/$1-" "$found" "$examples" >"$log" 2>&1; then
    printf '%s: %s inputs\n' "$1" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  else
    printf '%s: FAILED, see %s\n' "$1" "$log"
    tail -n 20 "$log"
    return 1
  fi
}
export -f fuzz
export seconds
# A reader a core.
printf '%s\n' "${readers[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
