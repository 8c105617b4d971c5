# shellcheck shell=bash
# What the scripts of the pipeline share: a target, and how progress is told.

step() { echo "== $*" >&2; }
fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# Sets TARGET, RELEASE and DOCQA, and reads the target's functions: candidate_up, candidate_down, baseline_runs, promote,
# rollback; they set BASELINE and CANDIDATE.
take_target() {
  # shellcheck disable=SC2034  # RELEASE is for the targets
  readonly TARGET=${1:?"${0##*/}: name a target"} RELEASE=${2:?"${0##*/}: name a release"}
  [[ -f $HERE/targets/$TARGET.sh ]] || fail "there is no target $TARGET: $(cd "$HERE/targets" && printf '%s ' *.sh)"
  DOCQA=${DOCQA:-$HERE/../../.venv/bin/docqa}
  [[ -x $DOCQA ]] || fail "DOCQA: there is no $DOCQA: run make setup, or name the command."
  # shellcheck source=/dev/null
  source "$HERE/targets/$TARGET.sh"
}

# start_up NAME COMMAND DATA HTTP: runs `docqa up` in the background until it is ready; its log lies beside its data.
start_up() {
  local name=$1 command=$2 data=$3 http=$4 ready=$3/ready.json
  mkdir -p "$data"
  rm -f "$ready"
  setsid "$command" up --data-dir "$data" --http "$http" --ready-file "$ready" </dev/null >>"$data/up.log" 2>&1 8>&- 9>&- &
  local pid=$!
  until [[ -s $ready ]]; do
    kill -0 "$pid" 2>/dev/null || { tail -n 3 "$data/up.log" >&2 && step "$name ended at its start" && return 1; }
    sleep 0.2
  done
}

# stop_up DATA: Ctrl-C to what start_up started, and its end.
stop_up() {
  local pid
  pid=$(read_ready "$1" pids.up) || return 0
  kill -INT "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
}

# read_ready DATA KEY: a value of the ready file, which is there only while it is true.
read_ready() {
  [[ -s $1/ready.json ]] || return 1
  "${DOCQA%/*}/python" -c 'import functools, json, sys
print(functools.reduce(dict.__getitem__, sys.argv[2].split("."), json.load(open(sys.argv[1]))))' "$1/ready.json" "$2"
}
