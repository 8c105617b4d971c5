#!/usr/bin/env bash
# Makes the secrets that the manifests name and prints them as one list for `kubectl apply -f -`.
# Needs openssl, kubectl and docqa. Keep the folder: with it the same secrets are made again.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

folder=${1:?"Usage: $0 FOLDER [SERVERS] | kubectl apply -f -"} servers=${2:-3} namespace=docqa
routes=()
"$here/../compose/prepare.sh" --folder "$folder" --bus "*.nats.$namespace.svc" --bus "nats.$namespace.svc" >&2
for ((number = 0; number < servers; number++)); do
  routes+=(--route "nats-$number.nats.$namespace.svc:6222")
done
umask 077
DOCQA_NATS_CREDENTIALS="$folder" docqa cluster "${routes[@]}" --certificates /etc/docqa/bus >"$folder/nats.conf"

secret() {
  local name=$1 file arguments=()
  shift
  for file in "$@"; do arguments+=("--from-file=$folder/$file"); done
  kubectl create secret generic "docqa-$name" --namespace "$namespace" "${arguments[@]}" --dry-run=client --output yaml
  echo ---
}

secret nats nats.conf
secret bus bus.pem bus.key authority.pem
secret admin admin
secret ingress ingress token
secret worker worker
secret library library token
