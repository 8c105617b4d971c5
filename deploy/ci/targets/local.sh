# shellcheck shell=bash disable=SC2034  # BASELINE and CANDIDATE are for the scripts that read this
# One machine without systemd: `docqa up` of a release, in a folder of its own. RELEASE is an environment's folder with
# bin/docqa in it. SITE_HOME holds `current` and `previous` (links), `data`, and the canary's data while it runs.
need SITE_HOME "the folder that holds the releases' links and the data"
: "${SITE_HTTP:=127.0.0.1:8000}"
BASELINE=http://$SITE_HTTP
mkdir -p "$SITE_HOME"

candidate_up() {
  # One that a killed run left.
  candidate_down
  start_up "the candidate" "$RELEASE/bin/docqa" "$SITE_HOME/canary" 127.0.0.1:0
  CANDIDATE=$(read_ready "$SITE_HOME/canary" http)
}

candidate_down() {
  stop_up "$SITE_HOME/canary"
  rm -rf "$SITE_HOME/canary"
}

baseline_runs() { [[ -e $SITE_HOME/current ]]; }

promote() {
  local before=""
  [[ ! -e $SITE_HOME/current ]] || before=$(readlink -f "$SITE_HOME/current")
  [[ -z $before || $before == "$(readlink -f "$RELEASE")" ]] || ln -sfn "$before" "$SITE_HOME/previous"
  switch_to "$RELEASE"
}

rollback() {
  [[ -e $SITE_HOME/previous ]] || { step "there is no release before this one" && return 1; }
  switch_to "$(readlink -f "$SITE_HOME/previous")"
}

# What waits stays on disk: the next release takes it up.
switch_to() {
  stop_up "$SITE_HOME/data"
  ln -sfn "$(readlink -f "$1")" "$SITE_HOME/current"
  start_up "$1" "$SITE_HOME/current/bin/docqa" "$SITE_HOME/data" "$SITE_HTTP"
}
