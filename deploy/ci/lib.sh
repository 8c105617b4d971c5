# shellcheck shell=bash
# What the scripts of the pipeline share: a target, and how progress is reported.

step() { echo "== $*" >&2; }
fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# names_of_targets: those that there are, by the names that the scripts take.
names_of_targets() {
  local file names=()
  for file in "$HERE"/targets/*.sh; do names+=("$(basename "$file" .sh)"); done
  echo "${names[*]}"
}

# need NAME WHAT: a variable that a target can't do without.
need() { [[ -n ${!1:-} ]] || fail "set $1: $2"; }

# tell_usage ARGUMENTS...: for --help, prints the comment at the top of the script.
tell_usage() {
  [[ ${1:-} != -h && ${1:-} != --help ]] || { sed -n -e '1d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$0" && exit; }
}

# Sets TARGET, RELEASE and DOCQA, and reads the target's functions: candidate_up, candidate_down, baseline_runs, promote,
# rollback; they set BASELINE and CANDIDATE.
take_target() {
  tell_usage "$@"
  [[ -n ${1:-} ]] || fail "name a target: $(names_of_targets)"
  [[ -f $HERE/targets/$1.sh ]] || fail "there is no target $1, but $(names_of_targets)"
  [[ -n ${2:-} ]] || fail "name a release: a wheel, an environment or an image, as the target $1 takes it"
  # shellcheck disable=SC2034  # RELEASE is for the targets
  readonly TARGET=$1 RELEASE=$2
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
