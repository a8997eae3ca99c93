#!/bin/sh
# Starts the coordinator of a run, or goes on with the run where it has a checkpoint; for whatever starts a coordinator
# again by itself, such as systemd or Kubernetes.
#
#   LOCKSTEP_OUTPUT=FOLDER start-coordinator.sh JOB.yaml [option of `lockstep coordinator`]...
#
# FOLDER is the run's folder. The process becomes `lockstep`, so signals and exit codes are that program's.
set -eu

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 64
}

[ $# -ge 1 ] || fail "no job: give the path of a job's YAML file"
[ -n "${LOCKSTEP_OUTPUT:-}" ] || fail "LOCKSTEP_OUTPUT is not set: it names the run's folder"
job=$1
shift

checkpoints=$LOCKSTEP_OUTPUT/checkpoints
# What cannot be read must not count as absent: a new run would take its place.
if [ -e "$checkpoints" ] && ! { [ -r "$checkpoints" ] && [ -x "$checkpoints" ]; }; then
  fail "$checkpoints cannot be read by user $(id -u): give the run's folder to that user (chown)"
fi
# A kill may leave a checkpoint under its other name, .STEP.old.
for state in "$checkpoints"/*/state.json "$checkpoints"/.*.old/state.json; do
  if [ -e "$state" ]; then
    exec lockstep coordinator --resume "$LOCKSTEP_OUTPUT" "$@"
  fi
done
[ -r "$job" ] || fail "the job $job cannot be read"
# A run that was killed before its first checkpoint starts anew in its folder; one that has left a model is not replaced.
[ -e "$LOCKSTEP_OUTPUT/model.safetensors" ] || set -- --overwrite "$@"
exec lockstep coordinator --job "$job" "$@"
