#!/usr/bin/env bash
# Returns to the release before, by hand: rollback.sh TARGET
set -euo pipefail
readonly HERE=${BASH_SOURCE[0]%/*}
# shellcheck source=deploy/ci/lib.sh
source "$HERE/lib.sh"
take_target "${1:-}" previous
step "returning to the release before"
rollback
"$DOCQA" smoke --target "$BASELINE"
