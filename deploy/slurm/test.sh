#!/bin/bash
# Proves lockstep.sbatch on a Slurm of two nodes on this machine: a job that is requeued in the middle of training, and
# one that is ended by a signal and resumed, end with the bits of an undisturbed run.
#
#   deploy/slurm/test.sh [PROGRAM]        # the program lockstep; .build/release/lockstep unless said
#
# As root on Debian or Ubuntu; installs slurm-wlm and munge where they are not there. Slurm runs in namespaces of its own
# (processes, network, mounts), with keys and files of its own: it neither sees nor disturbs one that is installed for
# real, and all of it ends with this script, however that ends. Exit code 77: cannot be tried here.
set -euo pipefail

say() { printf '%s\n' "$*"; }
skip() {
  say "skipped: $*"
  exit 77
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [[ ${1:-} != --inside ]]; then
  program=$(realpath -- "${1:-$here/../../.build/release/lockstep}")
  [[ -x $program ]] || {
    say "error: no program $program: swift build -c release makes it, or name another" >&2
    exit 1
  }
  [[ $(uname) = Linux ]] || skip "this needs Linux"
  [[ $(id -u) -eq 0 ]] || skip "this needs root"
  missing=() found=no
  for command in slurmctld slurmd sbatch srun; do
    if command -v "$command" >/dev/null; then found=yes; else missing=(slurm-wlm); fi
  done
  [[ $found = no || ${#missing[@]} -eq 0 ]] || skip "only a part of Slurm is installed here, which may be in use"
  command -v munged >/dev/null || missing+=(munge)
  command -v ip >/dev/null || missing+=(iproute2)
  if ((${#missing[@]} > 0)); then
    command -v apt-get >/dev/null || skip "not installed, and there is no apt-get: ${missing[*]}"
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    { timeout 300 apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends \
      "${missing[@]}"; } >"$log" 2>&1 </dev/null || {
      why=$(tail -n 1 "$log")
      rm -f "$log"
      skip "${missing[*]} could not be installed: $why"
    }
    rm -f "$log"
  fi
  own=(unshare --pid --fork --kill-child --mount-proc --mount --net)
  why=$("${own[@]}" sh -c 'mount -t tmpfs tmpfs /run && ip link set lo up' 2>&1) || skip "no namespaces here: $why"
  # All inside ends when its first process is killed.
  "${own[@]}" "${BASH_SOURCE[0]}" --inside "$program" &
  inside=$!
  trap 'kill -KILL "$inside" 2>/dev/null || true' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  code=0
  wait "$inside" || code=$?
  exit "$code"
fi

program=$2
# Files in memory, gone with the namespace; and none of the sockets and settings that a real Slurm may have left.
mount -t tmpfs tmpfs /run
# Nor does Slurm find the real control groups, which it would use where it can.
if [[ -d /sys/fs/cgroup ]]; then mount -t tmpfs tmpfs /sys/fs/cgroup; fi
ip link set lo up
for address in 10.78.0.1 10.78.0.2; do ip address add "$address/32" dev lo; done
folder=/run/lockstep-slurm
mkdir -m 711 "$folder"
cd "$folder"
mkdir n1 n2 state
host=$(hostname -s)
for name in $(compgen -e); do
  case $name in SLURM* | SBATCH* | SRUN* | LOCKSTEP_* | SCANCEL* | SQUEUE* | SINFO*) unset "$name" ;; esac
done
export SLURM_CONF=$folder/slurm.conf LOCKSTEP_PROGRAM=$program

failed() {
  trap - ERR EXIT
  say "error: $*" >&2
  for log in munged.log slurmctld.log slurmd-n1.log slurmd-n2.log lockstep-*.out; do
    [[ -s $log ]] || continue
    say "── $log"
    tail -n 25 "$log"
  done >&2
  { say "── jobs" && timeout 5 scontrol show jobs; } >&2 || true
  exit 1
}
trap 'failed "line $LINENO: $BASH_COMMAND"' ERR

# wait_until SECONDS WHAT COMMAND...
wait_until() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < limit)) || failed "no $what within its time"
    sleep 0.1
  done
}

# A Slurm of two nodes, n1 and n2, which are this machine by two addresses and ports.
head -c 1024 /dev/urandom >munge.key
chmod 600 munge.key
cat >slurm.conf <<END
ClusterName=lockstep
SlurmctldHost=$host(10.78.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits for as long as a credential holds.
AuthInfo=socket=$folder/munge.socket,cred_expire=10
StateSaveLocation=$folder/state
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmdSpoolDir=$folder/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname=$host NodeAddr=10.78.0.1 Port=16818 CPUs=2 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=10.78.0.2 Port=16819 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
END
# Control groups are not used; Slurm can be told so since 23.02, and before takes none of version 1 where it needs none.
version=$(slurmd -V | cut -d ' ' -f 2)
if [[ $(printf '%s\n' "$version" 23.02 | sort -V | head -n 1) = 23.02 ]]; then
  echo CgroupPlugin=disabled >cgroup.conf
else
  echo CgroupPlugin=cgroup/v1 >cgroup.conf
fi

munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
  --pid-file="$folder/munged.pid" --seed-file="$folder/munged.seed" --log-file="$folder/munged.log" \
  2>munged.errors &
wait_until 20 "munged" test -S munge.socket
slurmctld -D -f slurm.conf >slurmctld.log 2>&1 &
slurmd -D -N n1 >slurmd-n1.log 2>&1 &
slurmd -D -N n2 >slurmd-n2.log 2>&1 &
are_idle() { [[ $(timeout 10 sinfo --noheader --format='%D %t' 2>/dev/null) = "2 idle" ]]; }
wait_until 60 "two idle nodes" are_idle
say "Slurm $version: two idle nodes after $SECONDS s"

# The undisturbed run.
steps=15000
job=(--data digits --model mlp:64 --batch-size 32 --steps "$steps" --checkpoint-every 500)
timeout 180 "$program" train "${job[@]}" --workers 1 --output reference >reference.out 2>&1 ||
  failed "lockstep train: $(tail -n 1 reference.out)"
say "the undisturbed run: $(grep '^done' reference.out)"

submit() { sbatch --parsable "$here/lockstep.sbatch" "$@" --transport zmq; }
state() { timeout 10 scontrol -o show job "$1" | sed -n "s/.* $2=\([^ ]*\).*/\1/p"; }
has_checkpoint() { compgen -G "runs/$1/checkpoints/[0-9]*/state.json" >/dev/null; }
is_state() { [[ $(state "$1" JobState) = "$2" ]]; }
is_over() { case $(state "$1" JobState) in COMPLETED | FAILED | CANCELLED | TIMEOUT | NODE_FAIL) ;; *) return 1 ;; esac; }
# The step that the run in runs/$1 was saved at last.
saved_step() {
  local newest
  newest=$(compgen -G "runs/$1/checkpoints/[0-9]*" | sort | tail -n 1)
  printf '%s' "$((10#${newest##*/}))"
}
must_be_equal() {
  "$program" diff reference "runs/$1" || failed "runs/$1 has other bits than the undisturbed run"
}

say "requeue"
first=$(submit "${job[@]}")
wait_until 60 "first checkpoint of job $first" has_checkpoint "$first"
scontrol requeue "$first"
wait_until 40 "end of job $first's first attempt" is_state "$first" PENDING
grep -q "saved after step" "lockstep-$first.out" || failed "job $first was requeued without saving its run"
step=$(saved_step "$first")
((step < steps)) || failed "job $first was done before it was requeued: more steps are needed"
say "job $first was requeued after step $step"

# While it waits to start again:
say "a signal to the script"
second=$(submit "${job[@]}")
wait_until 60 "first checkpoint of job $second" has_checkpoint "$second"
scancel --signal=TERM --batch "$second"
wait_until 40 "end of job $second" is_over "$second"
step=$(saved_step "$second")
((step < steps)) || failed "job $second was done before it was signalled: more steps are needed"
[[ $(state "$second" ExitCode) = 143:0 ]] || failed "job $second ended with $(state "$second" ExitCode), not with 143:0"
say "job $second ended with 143 after step $step"
third=$(submit --resume "runs/$second")
wait_until 180 "end of job $third" is_over "$third"
is_state "$third" COMPLETED || failed "job $third ended as $(state "$third" JobState)"
must_be_equal "$second"

say "requeue"
wait_until 180 "end of job $first" is_over "$first"
is_state "$first" COMPLETED || failed "job $first ended as $(state "$first" JobState)"
[[ $(state "$first" Restarts) = 1 ]] || failed "job $first was restarted $(state "$first" Restarts) times"
must_be_equal "$first"
[[ -z $(find runs -name '.keys*') ]] || failed "keys were left: $(find runs -name '.keys*')"
say "passed in $SECONDS s"
