#!/usr/bin/env bash
# Puts Goblin DocQA on this machine, under systemd. Safe to repeat: what is as it should be is left alone.
#
#   sudo ENSURE_USER=true ENSURE_MODELS_DIR=true ENSURE_PIP_INSTALL=true ./deploy_units.sh
#
# --dry-run shows what would change, --rollback returns to the previous release, --restore brings a backup back,
# --uninstall removes the program and keeps its data (with --purge not even those). README.md says more.
set -euo pipefail
umask 022

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SOURCE=$(cd "$HERE/../.." && pwd)
readonly HERE SOURCE
readonly PREFIX=/opt/goblinmini-docqa UNITS=/etc/systemd/system SOCKET=/run/goblinmini-docqa.sock
readonly SETTINGS=/etc/default/goblin-docqa TOKEN=/etc/credstore/goblin-docqa.token
readonly SERVICES=(goblin-docqa-nats.service goblin-docqa-worker.service goblin-docqa-library.service goblin-docqa.service)
readonly BESIDE=(goblin-docqa.socket goblin-docqa-backup.timer goblin-docqa-models.timer)
readonly ALL_PARTS="nats worker library ingress"
readonly USERS=(docqa docqa-worker docqa-library docqa-nats) SPOOL_GROUP=docqa-spool
readonly KEPT=(/var/lib/goblin-docqa /var/lib/goblin-docqa-worker /var/cache/goblin-docqa-worker /var/log/goblin-docqa
  /var/lib/goblin-docqa-library /var/lib/goblin-docqa-spool
  /var/backups/goblin-docqa /var/backups/goblin-docqa-models /etc/goblin-docqa "$PREFIX/models")

: "${ENSURE_USER:=false}" "${ENSURE_MODELS_DIR:=false}" "${ENSURE_PIP_INSTALL:=false}" "${RUN_PREFLIGHT:=true}"
: "${PARTS:=$(cat "$PREFIX/parts" 2>/dev/null || echo "$ALL_PARTS")}"
: "${RUN_POST_DEPLOY_TEST:=false}" "${POST_DEPLOY_MODEL_NAME:=}" "${PACKAGE:=}" "${WHEELS:=}" "${UV:=}"
DRY_RUN=false
CHANGED=false
INSTALLED=()

# shellcheck source=deploy/systemd/lib/files.sh
source "$HERE/lib/files.sh"
# shellcheck source=deploy/systemd/lib/release.sh
source "$HERE/lib/release.sh"
# shellcheck source=deploy/systemd/lib/services.sh
source "$HERE/lib/services.sh"
# shellcheck source=deploy/systemd/lib/restore.sh
source "$HERE/lib/restore.sh"

usage() {
  cat <<'TEXT'
Usage: [NAME=VALUE ...] deploy_units.sh [--dry-run] [--rollback | --restore BACKUP | --uninstall [--purge]]

  ENSURE_USER=true           make the users docqa, docqa-worker, docqa-library and docqa-nats
  ENSURE_MODELS_DIR=true     make /opt/goblinmini-docqa/models, owned by docqa
  ENSURE_PIP_INSTALL=true    install this checkout as a new release (compiles llama.cpp once)
  PARTS="nats worker ..."    the services of this machine: all of them, or those that were named the last time
  PACKAGE=FILE.whl           install this wheel in place of the checkout's code
  WHEELS=FOLDER              install from these wheels: neither a compiler nor the network is needed
  RUN_PREFLIGHT=false        leave the look at settings and machine out
  RUN_POST_DEPLOY_TEST=true  ask it something afterwards; when that fails, return to the previous release
  POST_DEPLOY_MODEL_NAME=X   and the worker must have loaded this model
  --restore latest           bring back what /var/backups/goblin-docqa holds; or name one of its files
  UV=PATH                    the uv to install with; else the one on PATH, else one is installed
TEXT
}

main() {
  local wish=deploy purge=false backup=''
  while (($#)); do
    case $1 in
    --dry-run) DRY_RUN=true ;;
    --rollback) wish=rollback ;;
    --restore)
      [[ -n ${2:-} ]] || fail "--restore needs a backup's name, or latest" 2
      wish=restore backup=$2 && shift
      ;;
    --uninstall) wish=uninstall ;;
    --purge) purge=true ;;
    -h | --help) usage && return ;;
    *) usage >&2 && fail "there is no option $1" 2 ;;
    esac
    shift
  done
  [[ $purge == false || $wish == uninstall ]] || fail "--purge goes with --uninstall only" 2
  check_switches
  check_machine
  case $wish in
  deploy) deploy ;;
  rollback) rollback ;;
  restore) restore "$backup" ;;
  uninstall) uninstall "$purge" ;;
  esac
}

# Else ENSURE_USER=yes would be taken for no.
check_switches() {
  local name
  for name in ENSURE_USER ENSURE_MODELS_DIR ENSURE_PIP_INSTALL RUN_PREFLIGHT RUN_POST_DEPLOY_TEST; do
    [[ ${!name} == true || ${!name} == false ]] || fail "$name is '${!name}': set it to true or to false" 2
  done
  for name in $PARTS; do
    [[ " $ALL_PARTS " == *" $name "* ]] || fail "PARTS: there is no part $name, but $ALL_PARTS" 2
  done
}

check_machine() {
  $DRY_RUN || ((EUID == 0)) || fail "only root may do this: use sudo"
  [[ -d /run/systemd/system ]] || fail "systemd does not run this machine"
  ldconfig -p | grep --silent libgomp.so.1 || fail "the model needs libgomp.so.1: apt-get install libgomp1"
  $DRY_RUN || { exec 9>/run/goblin-docqa-deploy.lock && flock --nonblock 9; } || fail "another deployment is at work"
}

deploy() {
  local release
  release=$(wanted_release)
  ensure_users
  ensure_models
  make_release "$release"
  preflight "$release"
  install_files "$release/systemd"
  switch_to "$release"
  remember_parts
  if ! { start_all && post_deploy_test; }; then
    give_up
  fi
  prune_releases
  if $CHANGED; then said_in_the_end "deployed: $(basename "$release")"; else say "unchanged: $(basename "$release")"; fi
}

# For the next deployment and for a rollback.
remember_parts() {
  [[ $PARTS == "$ALL_PARTS" && ! -e $PREFIX/parts ]] && return
  $DRY_RUN || printf '%s\n' "$PARTS" >"$PREFIX/parts"
}

said_in_the_end() {
  if $DRY_RUN; then say "a dry run: nothing was changed"; else say "$1"; fi
}

# What was there before is what works: back to it, and a status that a pipeline sees.
give_up() {
  $SWITCHED && [[ -e $PREFIX/previous ]] || fail "the deployment failed: journalctl -u 'goblin-docqa*' says why"
  say "the deployment failed: returning to the previous release"
  rollback
  fail "rolled back to $(basename "$(readlink "$PREFIX/current")"), after a deployment that failed"
}

rollback() {
  local back
  back=$(readlink "$PREFIX/previous") || fail "there is no previous release to return to"
  install_files "$back/systemd"
  switch_to "$back"
  start_all || fail "the previous release does not start either: journalctl -u 'goblin-docqa*' says why"
  said_in_the_end "rolled back to $(basename "$back")"
}

ensure_users() {
  if [[ $ENSURE_USER == true ]]; then
    put "$HERE/sysusers.d/goblin-docqa.conf" /etc/sysusers.d/goblin-docqa.conf
    has_users || act systemd-sysusers /etc/sysusers.d/goblin-docqa.conf
  fi
  $DRY_RUN || has_users || fail "the users ${USERS[*]} and the group $SPOOL_GROUP are not all there: set ENSURE_USER=true"
}

has_users() { getent passwd "${USERS[@]}" >/dev/null && getent group "$SPOOL_GROUP" >/dev/null; }

ensure_models() {
  if [[ $ENSURE_MODELS_DIR == true && ! -d $PREFIX/models ]]; then
    act install -d -o docqa -g docqa -m 0755 "$PREFIX/models"
  fi
}

uninstall() {
  local purge=$1 unit
  for unit in "${BESIDE[@]}" "${SERVICES[@]}"; do
    [[ ! -e $UNITS/$unit ]] || act systemctl disable --quiet --now "$unit"
  done
  remove "$UNITS"/goblin-docqa*.{service,socket,timer} "$UNITS"/goblin-docqa*.{service,socket,timer}.d
  remove /etc/sysusers.d/goblin-docqa.conf /etc/tmpfiles.d/goblin-docqa.conf "$SETTINGS" "$SETTINGS"-*
  remove "$PREFIX"/{releases,current,previous,venv,parts}
  $CHANGED || say "no program of it is here"
  remove /run/goblin-docqa-deploy.lock
  act systemctl daemon-reload
  $DRY_RUN || systemctl reset-failed 'goblin-docqa*' 2>/dev/null || true
  if $purge; then
    remove "${KEPT[@]}" "$PREFIX" "$TOKEN" /etc/credstore/goblin-docqa.copilot
    remove /var/lib/systemd/timers/stamp-goblin-docqa-{backup,models}.timer
    remove_users
    said_in_the_end "the program, its data and its users are removed"
  else
    say_what_stays
  fi
}

remove_users() {
  local user
  for user in "${USERS[@]}"; do
    ! getent passwd "$user" >/dev/null || act userdel "$user"
  done
  ! getent group "$SPOOL_GROUP" >/dev/null || act groupdel "$SPOOL_GROUP"
}

say_what_stays() {
  local path
  for path in "${KEPT[@]}"; do
    [[ ! -e $path ]] || say "kept: $path"
  done
  said_in_the_end "the program is removed; --uninstall --purge removes its data and users too"
}

# Read as a whole before it runs: after minutes of compiling bash would read on in a file that an update of the checkout
# has changed.
{
  main "$@"
  exit
}
