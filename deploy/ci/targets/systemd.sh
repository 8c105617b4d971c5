# shellcheck shell=bash disable=SC2034  # BASELINE and CANDIDATE are for the scripts that read this
# The units of deploy/systemd on this machine. RELEASE is a wheel, with requirements.txt beside it. As root.
# While the canary runs both have their model in memory: `docqa preflight` says whether there is room for two.
BASELINE=/run/goblinmini-docqa.sock
CANARY_HOME=/var/lib/goblin-docqa-canary
UNITS=$HERE/../systemd/deploy_units.sh
# shellcheck source=requirements/llama.cpp/settings.sh
source "$HERE/../../requirements/llama.cpp/settings.sh"

candidate_up() {
  local uv
  # root's PATH has none where only `make setup` made one.
  uv=${UV:-$(command -v uv || echo "${DOCQA%/*}/uv")}
  command -v "$uv" >/dev/null || fail "there is no uv: run make setup, or name one with UV"
  # One that a killed run left.
  candidate_down
  install -d -m 0700 "$CANARY_HOME"
  python3 -m venv --without-pip "$CANARY_HOME/venv"
  "$uv" pip sync --quiet --python "$CANARY_HOME/venv/bin/python" --require-hashes "${BUILD[@]}" \
    "${RELEASE%/*}/requirements.txt"
  "$uv" pip install --quiet --python "$CANARY_HOME/venv/bin/python" --no-deps "$RELEASE"
  # The same model and bounds as what runs.
  set -a
  # shellcheck source=/dev/null
  [[ ! -f /etc/default/goblin-docqa ]] || source /etc/default/goblin-docqa
  set +a
  unset DOCQA_UDS DOCQA_NATS_URL DOCQA_NATS_PORT
  start_up "the candidate" "$CANARY_HOME/venv/bin/docqa" "$CANARY_HOME/data" 127.0.0.1:0
  CANDIDATE=$CANARY_HOME/data/docqa.sock
}

candidate_down() {
  stop_up "$CANARY_HOME/data"
  rm -rf "$CANARY_HOME"
}

baseline_runs() { systemctl --quiet is-active goblin-docqa.socket; }

# The script keeps the release before, and returns to it by itself when its own test fails: then a second rollback would
# go forth again.
promote() {
  PACKAGE=$RELEASE ENSURE_PIP_INSTALL=true RUN_POST_DEPLOY_TEST=true "$UNITS" || { IS_BACK=true && return 1; }
}

rollback() { [[ ${IS_BACK:-false} == true ]] || "$UNITS" --rollback; }
