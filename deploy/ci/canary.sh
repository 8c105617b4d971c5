#!/usr/bin/env bash
# Starts one replica of a release beside what runs, and lets `docqa canary` decide: canary.sh TARGET RELEASE
# Exit status: 0 promote, 1 roll back, 2 can't say. The replica is gone afterwards, whatever happens.
set -euo pipefail
readonly HERE=${BASH_SOURCE[0]%/*}
# shellcheck source=deploy/ci/lib.sh
source "$HERE/lib.sh"
take_target "$@"

# Waited for in the background, so that a signal is heeded at once and not after the watch.
watching=""
# shellcheck disable=SC2329  # called by the trap
give_back() {
  [[ -z $watching ]] || kill "$watching" 2>/dev/null || true
  candidate_down
}
trap give_back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step "one replica of $RELEASE beside what runs"
candidate_up
if ! baseline_runs; then
  step "nothing runs yet: the smoke test decides"
  "$DOCQA" smoke --target "$CANDIDATE"
  exit
fi
step "watching both for ${CANARY_MINUTES:=10} minutes"
read -ra options <<<"${CANARY_OPTIONS:-}"
"$DOCQA" canary --baseline "$BASELINE" --candidate "$CANDIDATE" --minutes "$CANARY_MINUTES" \
  ${CANARY_REPORT:+--report "$CANARY_REPORT"} "${options[@]}" &
watching=$!
status=0
wait "$watching" || status=$?
watching=""
exit "$status"
