#!/usr/bin/env bash
# Starts Goblin DocQA by hand, once: `docqa up` with the settings of /etc/default/goblin-docqa.
#
#   start-docqa.sh [ARGUMENTS of `docqa up`]
#
# The lock is held by the process that serves, which this script becomes: it lasts exactly as long as that one lives,
# whatever ends it, and no file has to be cleaned up. Ends with status 75 when another one runs.
set -euo pipefail

readonly LOCK=${DOCQA_LOCK:-/var/lock/goblinmini-docqa.lock}
readonly SETTINGS=${DOCQA_SETTINGS:-/etc/default/goblin-docqa}
# Not settings of the services: those refuse what they don't know.
unset DOCQA_LOCK DOCQA_SETTINGS

refuse() {
  printf 'start-docqa.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

program() {
  local here
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  for found in "$here/.venv/bin/docqa" /opt/goblinmini-docqa/current/venv/bin/docqa; do
    [[ ! -x $found ]] || { printf '%s' "$found" && return; }
  done
  refuse "docqa is not installed: run make setup, or deploy/systemd/deploy_units.sh"
}

load_settings() {
  set -a
  # shellcheck source=/dev/null
  [[ ! -r $SETTINGS ]] || source "$SETTINGS"
  set +a
}

take_lock() {
  # Not 9>: that would empty the file, which names the holder.
  exec 9>>"$LOCK" || refuse "can't open $LOCK: name another one with DOCQA_LOCK"
  flock --nonblock 9 || refuse "another one runs (process $(cat "$LOCK")): stop it first" 75
  # The same process after `exec`.
  printf '%s\n' "$$" >"$LOCK"
}

main() {
  local docqa
  docqa=$(program)
  take_lock
  load_settings
  exec "$docqa" up "$@"
}

main "$@"
