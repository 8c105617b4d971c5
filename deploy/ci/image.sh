#!/usr/bin/env bash
# Builds the image and says what is in it: image.sh IMAGE [FOLDER]
#
#   image-sbom.cdx.json   CycloneDX: Debian's and Python's packages as they are in the image
#   image.json            its id, size in bytes, and how long the build took (with what was in the cache already)
#
# ENGINE names another program than docker; BUILD=false takes an image that is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly IMAGE=${1:?name the image: image.sh goblin-docqa:0.1.0} OUT=${2:-dist}
: "${ENGINE:=docker}" "${BUILD:=true}"

inside() { "$ENGINE" run --rm --network none --entrypoint "$1" "$IMAGE" "${@:2}"; }

make --silent checkers
mkdir -p "$OUT"
began=$SECONDS
if [[ $BUILD == true ]]; then
  "$ENGINE" build --file deploy/compose/Dockerfile --tag "$IMAGE" .
fi
took=$((SECONDS - began))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2016  # dpkg's own placeholders
inside dpkg-query --show --showformat '${Package} ${Version} ${Architecture}\n' >"$work/debian"
inside python -c 'from importlib.metadata import distributions
print(*sorted({f"{one.name} {one.version}" for one in distributions()}), sep="\n")' >"$work/python"
id=$("$ENGINE" image inspect --format '{{.Id}}' "$IMAGE")
size=$("$ENGINE" image inspect --format '{{.Size}}' "$IMAGE")
.venv-checkers/bin/python deploy/ci/image_sbom.py "$IMAGE" "$id" "$work/debian" "$work/python" >"$OUT/image-sbom.cdx.json"
printf '{"image": "%s", "id": "%s", "size_bytes": %s, "build_s": %s}\n' "$IMAGE" "$id" "$size" "$took" >"$OUT/image.json"
cat "$OUT/image.json"
