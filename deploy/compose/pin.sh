#!/usr/bin/env bash
# Writes compose.pinned.yaml: every image of compose.yaml by the digest that its tag has now, where a registry answers.
# Use it beside the other: docker compose --file compose.yaml --file compose.pinned.yaml up --detach --wait
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
command -v skopeo docker >/dev/null || { echo "$0: install skopeo, or docker with buildx." >&2; exit 1; }

readonly OUT=compose.pinned.yaml
trap 'rm -f "$OUT.new"' EXIT

# Prints the digest of a tag, of all its platforms together: asked of the registry, never of what lies here.
digest() {
  if command -v skopeo >/dev/null; then
    skopeo inspect --no-tags --format '{{.Digest}}' "docker://$1"
  else
    docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1"
  fi
}

pinned() {
  local found
  found=$(digest "$1" 2>/dev/null) && [[ $found == sha256:* ]] || {
    echo "$0: no registry has a digest of $1." >&2
    exit 1
  }
  echo "$1 is $found" >&2
  echo "$1@$found"
}

# "service image" for every service with an image of others: ours is built here and has no registry.
images() {
  sed -n -e 's/^  \([a-z-]*\):$/\1/p' -e 's/^    image: \(.*\)$/= \1/p' compose.yaml |
    awk '$1 == "=" { print service, $2; next } { service = $1 }'
}

{
  echo "# Made by pin.sh on $(date --utc +%F): run it again after a change of tags."
  echo "services:"
  base=$(pinned "$(sed -n 's/^ARG BASE=//p' Dockerfile)")
  printf '  nats:\n    build: {args: {BASE: "%s"}}\n' "$base"
  while read -r service image; do
    image=$(pinned "$image")
    printf '  %s:\n    image: %s\n' "$service" "$image"
  done < <(images)
} >"$OUT.new"
mv "$OUT.new" "$OUT"
echo "Written: $OUT" >&2
