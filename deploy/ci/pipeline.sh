#!/usr/bin/env bash
# The pipeline without GitHub: test, build, scan, canary, promote, verify, and back when it fails.
#
#   pipeline.sh TARGET             from this checkout: all of it
#   pipeline.sh TARGET RELEASE     a release that was built before: from the canary on
#
# TARGET is a file of targets/. Exit status: 0 it runs; 1 it was not taken, or rolled back; 2 the canary could not say.
set -euo pipefail
readonly HERE=${BASH_SOURCE[0]%/*}
# shellcheck source=deploy/ci/lib.sh
source "$HERE/lib.sh"
tell_usage "$@"
# Before the tests and the build: they take minutes.
target=${1:-}
[[ -n $target ]] || fail "name a target: $(names_of_targets)"
[[ -f $HERE/targets/$target.sh ]] || fail "there is no target $target, but $(names_of_targets)"
release=${2:-}
if [[ -z $release ]]; then
  "$HERE/test.sh"
  "$HERE/build.sh" dist
  "$HERE/scan.sh" dist
  release=$(realpath dist/*.whl)
fi
"$HERE/canary.sh" "$target" "$release"
"$HERE/promote.sh" "$target" "$release"
