# Services: sized, started in the order that loses nothing, asked something. Sourced by deploy_units.sh.
# shellcheck shell=bash

readonly HEALTHY_WITHIN_S=${HEALTHY_WITHIN_S:-120}

# docqa ARGUMENTS...: the release's command, with the settings and the token that the services have.
docqa() {
  (
    set -a
    # shellcheck source=/dev/null
    [[ ! -e $SETTINGS ]] || source "$SETTINGS"
    [[ ! -e $TOKEN ]] || export DOCQA_TOKEN_FILE=$TOKEN
    : "${DOCQA_UDS:=$SOCKET}" "${DOCQA_ENV:=production}"
    "${RELEASE:-$PREFIX/current}/venv/bin/${PROGRAM:-docqa}" "$@"
  )
}

# installed UNIT...: those of this machine and of the release that is installed; an older one may lack the library.
installed() {
  local unit
  for unit in "$@"; do
    if is_wanted "$unit" && { $DRY_RUN || [[ -e $UNITS/$unit ]]; }; then say "$unit"; fi
  done
}

services() { installed "${SERVICES[@]}"; }

has_command() { docqa --help | grep -q "^  $1 "; }

preflight() {
  local RELEASE=$1
  [[ $RUN_PREFLIGHT == true && -e $RELEASE/.whole ]] || return 0
  has_command preflight || return 0
  DOCQA_DATA_DIR=/var/lib/goblin-docqa docqa preflight --socket-activated ||
    fail "the preflight says no: mend what it names, or leave it out with RUN_PREFLIGHT=false"
}

start_all() {
  local running beside
  mapfile -t running < <(services)
  mapfile -t beside < <(installed "${BESIDE[@]}")
  ! is_wanted goblin-docqa-worker.service || size_worker || return
  ! $CHANGED && all_active && return
  CHANGED=true
  act systemctl daemon-reload
  act systemd-tmpfiles --create goblin-docqa.conf
  act systemctl enable --quiet "${beside[@]}" "${running[@]}"
  # What gave up before may try again.
  $DRY_RUN || systemctl reset-failed 'goblin-docqa*' 2>/dev/null || true
  # The worker drains while questions are still taken, and the socket stays open: who asks waits.
  ! is_wanted goblin-docqa-worker.service || act systemctl stop goblin-docqa-worker.service
  # A changed socket must be closed and opened; else it stays open from the first deployment on.
  [[ " ${INSTALLED[*]} " != *"/goblin-docqa.socket "* ]] ||
    act systemctl stop goblin-docqa.socket goblin-docqa.service || return
  act systemctl start "${beside[@]}" || return
  restart_installed goblin-docqa-nats.service goblin-docqa.service || return
  restart_installed goblin-docqa-worker.service || return
  restart_installed goblin-docqa-library.service
}

restart_installed() {
  local units
  mapfile -t units < <(installed "$@")
  ((${#units[@]} == 0)) || act systemctl restart "${units[@]}"
}

# Its own exit status is 0 when one of them is active.
all_active() { ! systemctl is-active "${beside[@]}" "${running[@]}" | grep --silent --invert-match '^active$'; }

# What the worker may take follows from its model: a bound below would end it, one far above would bound nothing.
size_worker() {
  local need high
  if need=$(needed_bytes); then
    high=$((need * 115 / 100 / 1048576))
    computed 40-sized.conf <<TEXT
# Computed by deploy_units.sh from the model and the slots that are configured: $((need / 1048576)) MiB, and a margin.
[Service]
MemoryHigh=${high}M
MemoryMax=$((high * 120 / 100))M
CPUQuota=$(($(nproc) * 100))%
TEXT
  else
    say "the worker's memory could not be computed: 30-caps.conf holds"
  fi
  open_for_proxy
}

needed_bytes() {
  [[ -x $PREFIX/current/venv/bin/python ]] || return
  PROGRAM=python docqa -m inference_worker.tools.memory_need 2>/dev/null | sed -n 's/.*"total_bytes": *\([1-9][0-9]*\).*/\1/p' | grep .
}

# Only a worker that asks somebody else's model needs to reach further than this machine.
open_for_proxy() {
  if grep -qs '^COPILOT_API_URL=.' "$SETTINGS" "$SETTINGS-worker"; then
    computed 41-proxy.conf <<'TEXT'
# COPILOT_API_URL is set: the worker talks to it.
[Service]
IPAddressAllow=any
TEXT
  else
    remove "$UNITS/goblin-docqa-worker.service.d/41-proxy.conf"
  fi
}

post_deploy_test() {
  # Who only works for others is well once its service has said so, which its start waits for.
  if [[ $RUN_POST_DEPLOY_TEST != true ]] || $DRY_RUN || ! is_wanted goblin-docqa.service; then
    return 0
  fi
  until_healthy && right_model && smoke && say "the post-deploy test passed"
}

until_healthy() {
  local end=$((SECONDS + HEALTHY_WITHIN_S)) health='' running
  mapfile -t running < <(services)
  until [[ $health == *'"healthy"'* ]]; do
    ((SECONDS < end)) && ! systemctl is-failed --quiet "${running[@]}" || { say "not healthy: $health" && return 1; }
    health=$(docqa status --json 2>&1) || true
    sleep 0.5
  done
}

right_model() {
  [[ -n $POST_DEPLOY_MODEL_NAME ]] || return 0
  local loaded wanted=${POST_DEPLOY_MODEL_NAME%.gguf}
  loaded=$(docqa status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["model"]["name"])')
  # A form that the tuning made of it is the same model.
  [[ $loaded == "$wanted" || $loaded == "$wanted"-as-* ]] || { say "the worker has loaded $loaded and not $wanted: set MODEL_NAME" && return 1; }
}

smoke() {
  if has_command smoke; then
    docqa smoke --target "$SOCKET"
  else
    docqa ask --target "$SOCKET" --json "What is this?" >/dev/null
  fi
}
