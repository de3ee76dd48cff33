#!/usr/bin/env bash
#
# dag: the pipeline of dag.yaml as a bash script (bash 3.2 or later).
# Fetches, cleans and publishes,
# in that order.
# Rendered by `magnus render dag.yaml --target bash`: change dag.yaml, not this file.
#
# Each `step` starts one process, `magnus execute_single_node RUN_ID STEP --attempt N ...`,
# which does the work and records it. This script decides only what runs, when, and what
# follows a failure. A node goes by its slug; where its name is another, that follows a `=`.

if [ -z "${BASH_VERSION-}" ] || (return 0) 2>/dev/null; then
  echo 'run this file with bash, do not source it' >&2
  return 64
fi
set -u +aeCm +o posix

name=dag
definition=dag.yaml
dag_hash=767d599fb3a3766f
max_time=''
magnus=(magnus)   # keeps the records
steps=(magnus)   # runs a step: a launcher stands in front, as in (srun --mem=8G magnus)
fail_node=fail

# How many branches of a parallel or map run at once, where the definition does not say.
at_once=${MAGNUS_MAX_CONCURRENCY:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}

export MAGNUS_CONFIG='{"catalog":{"config":{"path":".catalog"},"type":"file-system"},"run_log_store":{"config":{"path":".run_log_store"},"type":"file-system"},"secrets":{"config":{},"type":"do-nothing"}}'
export MAGNUS_RECORDS=2   # the format of the records: a magnus of another format refuses this script
export MAGNUS_WORKSPACES=branch   # each branch works in a folder of its own

# ---- The pipeline: each line runs if the one above it succeeded; next=F goes on with F --

pipeline() {
  step fetch || return 1                            # python: shop.fetch
  step clean || return 1                            # shell: sort -u data/raw.csv > data/clean.csv ...
  # What the shop's owner reads on Monday: $(sales), `returns` & "rest"
  step report || return 1                           # notebook: report.ipynb
}

# ---- How it runs: the same in every rendered script -----------------------------------

usage() {
  cat <<EOF
usage: ${0##*/} [RUN_ID] [-p FILE] [--param KEY=VALUE]... [--use-cached ID] [--tag TAG] [--resume]

Runs the pipeline $name in the folder that holds $definition. Without RUN_ID, one is made and printed.
  -p FILE            initial parameters, YAML or JSON
  --param KEY=VALUE  one initial parameter; may be repeated
  --use-cached ID    do not run again what succeeded in run ID
  --tag TAG          a label of the run
  --resume           go on with run RUN_ID where it stopped
MAGNUS_MAX_CONCURRENCY=N runs at most N branches of a parallel or map at once (here: $at_once).
Exit status: 0 success, 1 failed, 64 wrong usage, 65 refused, 75 the platform failed,
129, 130 or 143 stopped by a signal.
EOF
}

say() {
  # Whoever read this may be gone: the pipeline goes on.
  trap '' PIPE
  printf '%s %ss: %s\n' "$name" "$SECONDS" "$1" >&2 2>/dev/null || :
  trap - PIPE
}

refuse() {
  printf '%s: %s (--help shows the usage)\n' "${0##*/}" "$1" >&2
  exit 64
}

# Nodes. `here` and `shown` are the address and the path of the graph being walked, `after` is the
# node that came last in it. Each runs its commands in the background and waits for them, since a
# signal must not wait until a command ends.

step() {   # NODE [SECONDS...] [-- ARGV...]
  # Each SECONDS is a pause and then one more attempt; ARGV stands in for $steps.
  local slug=${1%%=*} title=$shown${1#*=} attempt=1 pause pauses='' status
  local magnus=("${steps[@]}")
  shift
  while (( $# )) && [[ $1 != -- ]]; do
    pauses="$pauses $1"
    shift
  done
  if (( $# )); then
    magnus=("${@:2}")
  fi
  for pause in $pauses none; do
    say "$title: attempt $attempt"
    call execute_single_node "$here$slug" --attempt "$attempt" --again 76 \
      ${after:+--after "$after"} ${count_file:+--fan-out "$count_file"}
    status=$?
    case $status:$pause in
      0:*)
        say "$title: success"
        break ;;
      1:* | *:none)             # 1: no attempt is left, or none would change anything
        say "$title: failed (exit $status)"
        break ;;
      76:*)
        say "$title: attempt $attempt failed, next in $pause s" ;;
      *)
        say "$title: attempt $attempt failed (exit $status), next in $pause s" ;;
    esac
    rest "$pause"
    attempt=$((attempt + 1))
  done
  after=$slug
  return "$status"
}

as_is() {   # NODE FUNCTION: run the function's lines and record how they ended
  local slug=${1%%=*} title=$shown${1#*=} status
  say "$title: as-is lines"
  go_on
  "$2" &
  wait "$!"
  status=$?
  call execute_single_node "$here$slug" --exit-status "$status" ${after:+--after "$after"}
  status=$?
  say "$title: $(outcome "$status")"
  after=$slug
  return "$status"
}

pass() {   # NODE: as-is, with nothing to do here
  after=${1%%=*}
}

confirm() {   # fails if no failure of the node above is on record: it was never started
  call execute_single_node "$here$after" --confirm-failure
}

dag() {   # NODE FUNCTION
  local slug=${1%%=*} title=$shown${1#*=} status
  graph "$2" "$here$slug.branch." "$title.branch."
  status=$?
  after=$slug
  return "$status"
}

parallel() {   # NODE LIMIT [BRANCH FUNCTION]...
  local slug=${1%%=*} title=$shown${1#*=} limit=$2 slugs=() names=() functions=() count each=''
  shift 2
  while (( $# )); do
    slugs+=("${1%%=*}")
    names+=("${1#*=}")
    functions+=("$2")
    shift 2
  done
  count=${#slugs[@]}
  branches
}

map() {   # NODE LIMIT FUNCTION: the function for each item
  local slug=${1%%=*} title=$shown${1#*=} limit=$2 slugs=() names=() functions=() count=$items each=$3 file
  if [[ $count == unknown ]]; then
    file=$(mktemp "$scratch/XXXXXX") || break_off 75
    call map_count "$here$slug" >"$file"
    count=$(<"$file")
  fi
  items=unknown
  if [[ ! $count =~ ^(0|[1-9][0-9]{0,8})$ ]]; then
    say "$title: failed (no item count)"
    after=$slug
    return 1
  fi
  branches
}

fan_out() {   # step NODE...: a step that also counts the items of the map behind it
  local count_file
  count_file=$(mktemp "$scratch/XXXXXX") || break_off 75
  "$@" || return
  items=$(<"$count_file")
  return 0
}

fan_in() {   # [fail_fast] parallel NODE...: record first what the branches see, as no step before them could
  local node=$2
  [[ $1 != fail_fast ]] || node=$3
  call fan_in "$here${node%%=*}" || {
    say "$shown${node#*=}: failed (nothing to start from)"
    after=${node%%=*}
    return 1
  }
  "$@"
}

fail_fast() {   # parallel|map NODE...: when one branch fails, stop the others
  local slug=${2%%=*} status
  until_failure "$@" &
  wait "$!"
  status=$?
  after=$slug
  items=unknown
  return "$status"
}

until_failure() {
  local boss
  trap end_children TERM
  boss=$(exec sh -c 'echo "$PPID"')   # bash 3.2 has no other way to learn a subshell's process id
  "$@"
}

branches() {   # $count branches, at most $limit at a time, all to their end; fails if one failed
  local claims pid pids='' status=0
  say "$title: $count branches"
  claims=$(mktemp -d "$scratch/XXXXXX") || break_off 75
  (( limit <= count )) || limit=$count
  while (( limit-- > 0 )); do
    work &
    pids="$pids $!"
  done
  for pid in $pids; do
    wait "$pid" || status=1
  done
  say "$title: $(outcome "$status")"
  after=$slug
  return "$status"
}

work() {   # every branch that no other worker has claimed
  local i status=0
  trap end_children TERM
  for (( i = 0; i < count; i++ )); do
    [[ ! -e $claims/$i ]] || continue
    if claim "$i"; then
      graph "${functions[i]-$each}" "$here$slug.${slugs[i]-$i}." "$title.${names[i]-$i}." && continue
      status=1
      if [[ -n $boss ]]; then
        kill -TERM "$boss"
        break
      fi
    elif [[ ! -e $claims/$i ]]; then
      break_off 75              # neither claimed nor to be claimed
    fi
  done
  return "$status"
}

claim() {   # INDEX of a branch: make its file, which fails if another worker has made it
  local status
  set -C                        # so that `>` makes the file or fails; no process is needed for that
  { : >"$claims/$1"; } 2>/dev/null
  status=$?
  set +C
  return "$status"
}

graph() {   # FUNCTION ADDRESS PATH: walk one graph; fails if it ends in failure
  local here=$2 shown=$3 after='' items=unknown boss=''
  follow "$1"
}

follow() {   # FUNCTION: and then the function that it names as the next one, and so on
  local function next=$1 status=0
  while [[ -n $next ]]; do
    function=$next
    next=''
    "$function"
    status=$?
  done
  return "$status"
}

call() {   # COMMAND [ARGUMENT...]: a callback, twice more if the platform failed
  local pause status
  for pause in 1 5 none; do
    go_on
    "${magnus[@]}" "$1" "$run_id" "${@:2}" "${options[@]}" &
    wait "$!"
    status=$?
    case $status:$pause in
      64:* | 65:* | 75:none)
        break_off "$status" ;;
      75:*)
        say "$1: the platform failed, again in $pause s"
        rest "$pause" ;;
      *)
        return "$status" ;;
    esac
  done
}

go_on() {   # start nothing more once the script itself has been killed
  kill -0 "$$" 2>/dev/null || exit 143
}

rest() {   # SECONDS, but not past the time when nothing may start any more
  local seconds=$1 left
  [[ $seconds != 0 ]] || return 0
  if [[ -n $max_time ]]; then
    left=$(( ${max_time%.*} + 1 - SECONDS ))
    (( left > 0 )) || left=0
    (( ${seconds%.*} < left )) || seconds=$left
  fi
  sleep "$seconds" &
  wait "$!"
}

outcome() {   # STATUS
  if (( $1 )); then
    echo failed
  else
    echo success
  fi
}

break_off() {   # STATUS: nothing more can be recorded, so have all be stopped
  echo "$1" >"$scratch/broken"
  kill -USR1 "$$"
  sleep 60 &
  wait "$!"                     # until then
  exit "$1"
}

end_children() {
  local child
  trap '' TERM
  exec 2>/dev/null              # what ends now needs no report of its own
  for child in $(jobs -p); do
    kill -TERM "$child"
  done
  wait
  exit 143
}

walk() {
  local here='' shown='' after='' items=unknown boss='' count_file=''
  trap end_children TERM
  call start_run "${start[@]}" || return
  follow pipeline && return
  call execute_single_node "$fail_node" ${after:+--after "$after"}
  return 1
}

stop() {   # STATUS: stop everything that runs, wait for it, leave
  local status=$1 walk
  walk=$(jobs -p)               # empty before the walk has begun
  [[ -n $walk ]] || exit "$status"
  trap '' PIPE USR1
  trap 'kill -KILL -- "-$walk"' HUP INT TERM      # a second signal does not wait
  kill -TERM "$walk"
  say "run $run_id: stopping"
  wait "$walk"
  if (( status == 0 )); then
    status=$(<"$scratch/broken")
    status=${status:-75}
    say "run $run_id: broken off (exit $status)"
  fi
  exit "$status"
}

# The project's folder is where the definition is: here, or where this script lies or above that.
to_project() {
  local folder=${BASH_SOURCE[0]%/*}
  from=''   # what a relative path of the command line begins with
  [[ ! -e $definition ]] || return 0
  if [[ $folder != "${BASH_SOURCE[0]}" ]] && folder=$(cd -P -- "$folder" 2>/dev/null && pwd -P); then
    while [[ -n $folder && ! -e $folder/$definition ]]; do
      folder=${folder%/*}
    done
    if [[ -n $folder ]]; then
      from=$PWD/
      cd -- "$folder" && return 0
    fi
  fi
  refuse "no $definition here, nor where this script lies or above that: run it in the project's folder"
}

main() {
  local resume='' status
  run_id=''
  start=(-f "$definition" --target bash)
  from=''
  [[ ${1-} == -h || ${1-} == --help ]] || to_project
  while (( $# )); do
    case $1 in
      -h | --help)
        usage
        return 0 ;;
      --resume)
        resume=yes ;;
      -p | --param | --use-cached | --tag)
        (( $# > 1 )) || refuse "$1 needs a value"
        if [[ $1 == -p && $2 != /* ]]; then
          start+=("$1" "$from$2")
        else
          start+=("$1" "$2")
        fi
        shift ;;
      -*)
        refuse "unknown option $1" ;;
      *)
        [[ -z $run_id ]] || refuse "a second run id: $1"
        run_id=$1
        is_run_id "$1" || refuse "not a run id: '$1'" ;;
    esac
    shift
  done
  if [[ -z $run_id ]]; then
    [[ -z $resume ]] || refuse '--resume needs a RUN_ID'
    run_id=$(date -u +%Y%m%d-%H%M%S)-$(printf %04x%04x "$RANDOM" "$RANDOM")
  fi
  [[ $at_once =~ ^[1-9][0-9]{0,4}$ ]] || refuse "MAGNUS_MAX_CONCURRENCY is no number from 1 to 99999: '$at_once'"
  command -v "${magnus[0]}" >/dev/null || refuse "not found: ${magnus[0]}"
  command -v "${steps[0]}" >/dev/null || refuse "not found: ${steps[0]}"
  options=(--walk "$run_id-$$-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')" --dag-hash "$dag_hash")
  [[ -z $resume ]] || options+=(--resume)
  export MAGNUS_RUN_ID=$run_id MAGNUS_WALKER=$$   # while this process is there, the run is at work

  # In the project's folder, for a launcher's hosts see that too.
  mkdir -p .magnus && scratch=$(mktemp -d ".magnus/$run_id.XXXXXX") || exit 75
  trap 'rm -rf "$scratch"; rmdir .magnus 2>/dev/null' EXIT
  trap 'stop 129' HUP
  trap 'stop 130' INT
  trap 'stop 143' TERM
  trap 'stop 0' USR1
  say "run $run_id"
  set -m                        # the walk is a process group: one kill reaches all of it
  walk </dev/null &
  set +m
  wait "$!"
  status=$?
  case $status in
    [01])
      rm -f ".magnus/at_work/$run_id"
      rmdir .magnus/at_work 2>/dev/null ;;
  esac
  case $status in
    0)
      rm -rf ".magnus/workspaces/$run_id"
      rmdir .magnus/workspaces 2>/dev/null
      say "run $run_id: success" ;;
    1)
      say "run $run_id: failed" ;;
    *)
      say "run $run_id: broken off (exit $status)"
      kill -TERM -- "-$!" 2>/dev/null ;;
  esac
  return "$status"
}

is_run_id() (   # TEXT
  LC_ALL=C
  [[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$ ]]
)

main "$@"; command exit   # on one line: if this file is replaced while it runs, no more of it is read
