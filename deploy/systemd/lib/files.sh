# How files come and go: shown in a dry run, counted as a change, left alone when they are as they should be.
# Sourced by deploy_units.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034  # names are used across these files

say() { printf '%s\n' "$*"; }

fail() {
  printf 'deploy_units.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

# act COMMAND...: do it, or in a dry run say it.
act() {
  if $DRY_RUN; then
    say "would run: $*"
  else
    "$@"
  fi
}

# put SOURCE TARGET: install a file when it differs.
put() {
  cmp --silent "$1" "$2" && return
  CHANGED=true
  INSTALLED+=("$2")
  if $DRY_RUN; then
    diff --unified --new-file --label "$2 (now)" --label "$2" "$2" "$1" || true
  else
    install -D -m 0644 "$1" "$2"
    say "installed: $2"
  fi
}

# remove PATH...: those that are there.
remove() {
  local path
  for path in "$@"; do
    [[ -e $path || -L $path ]] || continue
    CHANGED=true
    act rm -rf -- "$path"
  done
}

# install_files FOLDER: the units of a release, their drop-ins and what goes with them.
install_files() {
  local from=$1 path
  $DRY_RUN && [[ ! -d $from ]] && from=$HERE
  for path in "$from"/*.{service,socket,timer}; do
    ! is_wanted "$path" || put "$path" "$UNITS/$(basename "$path")"
  done
  remove_units_beyond "$from"
  install_drop_ins "$from/dropins"
  put "$from/tmpfiles.d/goblin-docqa.conf" /etc/tmpfiles.d/goblin-docqa.conf
  # An operator's own: never written over.
  [[ -e $SETTINGS ]] || put "$from/default/goblin-docqa" "$SETTINGS"
}

# is_wanted UNIT: whether this machine runs the part that a unit belongs to.
is_wanted() {
  local part
  case $(basename "$1") in
  goblin-docqa-nats.* | goblin-docqa-backup.*) part=nats ;;
  goblin-docqa-worker.* | goblin-docqa-models.*) part=worker ;;
  goblin-docqa-library.*) part=library ;;
  *) part=ingress ;;
  esac
  [[ " $PARTS " == *" $part "* ]]
}

# remove_units_beyond FOLDER: a release to return to may be older than one of the services, and a part may have moved.
remove_units_beyond() {
  local from=$1 path
  for path in "$UNITS"/goblin-docqa*.{service,socket,timer}; do
    [[ -e $path ]] || continue
    if is_wanted "$path" && [[ -e $from/$(basename "$path") ]]; then continue; fi
    act systemctl disable --quiet --now "$(basename "$path")"
    remove "$path" "$path.d"
  done
}

# Numbers below 40 are the release's, 40 to 49 are computed here, what comes after is the operator's.
install_drop_ins() {
  local from=$1 path stale
  for path in "$from"/*/*.conf; do
    ! is_wanted "${path%.d/*}" || put "$path" "$UNITS/${path#"$from/"}"
  done
  for stale in "$UNITS"/goblin-docqa*.d/[1-3][0-9]-*.conf; do
    [[ -e $from/${stale#"$UNITS/"} ]] || remove "$stale"
  done
}

# computed NAME: install what is read from stdin as a drop-in of the worker.
computed() {
  local text
  text=$(mktemp)
  cat >"$text"
  put "$text" "$UNITS/goblin-docqa-worker.service.d/$1"
  rm -f "$text"
}
