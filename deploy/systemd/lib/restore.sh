# A backup brought back: the bus's part by the bus's user, the documents by the library's. Sourced by deploy_units.sh.
# shellcheck shell=bash

readonly BACKUPS=/var/backups/goblin-docqa LIBRARY=/var/lib/goblin-docqa-library

restore() {
  local backup=$1 stopped=(goblin-docqa-worker.service goblin-docqa-library.service goblin-docqa-nats.service)
  [[ -e $PREFIX/current ]] || fail "nothing is installed yet: deploy first, then restore"
  [[ $backup == latest || -f $BACKUPS/$(basename "$backup") ]] || fail "there is no backup $(basename "$backup") in $BACKUPS"
  [[ $backup == latest ]] || backup=$BACKUPS/$(basename "$backup")
  # Copied there by root, as a rule.
  act chown -R docqa-nats: "$BACKUPS"
  act systemctl stop "${stopped[@]}"
  if ! { restore_bus "$backup" && restore_documents "$backup"; }; then
    systemctl start "${stopped[@]}"
    fail "not all of the backup could be restored, for the reason above"
  fi
  act systemctl start "${stopped[@]}"
  said_in_the_end "restored: $(basename "$backup")"
}

restore_bus() {
  act as_service docqa-nats nats --setenv DOCQA_DATA_DIR=/var/lib/goblin-docqa \
    "$PREFIX/current/venv/bin/docqa" backup restore "$1" --only bus --to "$BACKUPS"
}

# It may read the backup, which is the bus's; files that wait to be read go where the ingress has put them.
restore_documents() {
  act as_service docqa-library library --setenv DOCQA_DATA_DIR=$LIBRARY \
    --property SupplementaryGroups=docqa-spool \
    --property BindPaths=/var/lib/goblin-docqa-spool:$LIBRARY/library/spool \
    --property AmbientCapabilities=CAP_DAC_READ_SEARCH \
    "$PREFIX/current/venv/bin/docqa" backup restore "$1" --only documents --to "$BACKUPS"
}

# as_service USER SERVICE ARGUMENTS...: a command with the settings that the service has.
as_service() {
  local user=$1 service=$2
  shift 2
  systemd-run --quiet --pipe --wait --collect --property User="$user" --property Group="$user" --property UMask=0077 \
    --property EnvironmentFile=-"$SETTINGS" --property EnvironmentFile=-"$SETTINGS-$service" \
    --setenv DOCQA_ENV=production "$@"
}
