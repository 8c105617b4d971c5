#!/usr/bin/env bash
# Draws the passwords and the token, and makes the certificates, that compose.yaml and deploy/kubernetes use.
# Safe to repeat: existing files stay; remove one and run it again to make a new one.
set -euo pipefail

usage() {
  cat <<EOF
Usage: $0 [--folder FOLDER] [--bus NAME]... [--site NAME]...
  --folder  where the files go        [default: secrets beside this script]
  --bus     a name of the bus         [default: nats]; localhost and 127.0.0.1 are always in its certificate
  --site    a name of the web server  [default: localhost]; its certificate is replaced by a public one
EOF
}

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="$here/secrets" buses=() sites=()
while (($#)); do
  case "$1" in
    --folder | --bus | --site)
      [[ -n "${2:-}" ]] || { echo "$0: $1 needs a value." >&2; exit 2; }
      case "$1" in
        --folder) folder=$2 ;;
        --bus) buses+=("$2") ;;
        --site) sites+=("$2") ;;
      esac
      shift 2
      ;;
    -h | --help) usage; exit 0 ;;
    *) echo "$0: $1 is not an option." >&2; usage >&2; exit 2 ;;
  esac
done
((${#buses[@]})) || buses=(nats)
((${#sites[@]})) || sites=(localhost)
command -v openssl >/dev/null || { echo "$0: there is no openssl: install it (Debian: openssl)." >&2; exit 1; }

# Only its owner may enter the folder; the containers get single files, as users of their own.
mkdir -p "$folder"
chmod 700 "$folder"
umask 0133

made() {
  chmod 444 "$folder/$1"
  echo "made $1"
}

password() {
  [[ -s "$folder/$1" ]] && return
  openssl rand -hex 32 >"$folder/.new"
  mv "$folder/.new" "$folder/$1"
  made "$1"
}

names() {
  local name list=()
  for name in "$@" localhost; do list+=("DNS:$name"); done
  list+=(IP:127.0.0.1)
  local IFS=,
  echo "${list[*]}"
}

authority() {
  [[ -s "$folder/authority.pem" ]] && return
  rm -f "$folder/bus.pem" "$folder/site.pem"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Goblin DocQA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout "$folder/authority.key" -out "$folder/authority.pem" 2>/dev/null
  chmod 400 "$folder/authority.key"
  made authority.pem
}

certificate() {
  local name=$1
  shift
  [[ -s "$folder/$name.pem" && -s "$folder/$name.key" ]] && return
  rm -f "$folder/$name.pem" "$folder/$name.key"
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
    -keyout "$folder/$name.key" -out "$folder/.request" 2>/dev/null
  # Servers of a cluster are each other's clients too.
  openssl x509 -req -in "$folder/.request" -CA "$folder/authority.pem" -CAkey "$folder/authority.key" -days 825 \
    -extfile <(printf '%s\n' "subjectAltName=$(names "$@")" basicConstraints=critical,CA:FALSE \
      extendedKeyUsage=serverAuth,clientAuth keyUsage=critical,digitalSignature \
      subjectKeyIdentifier=hash authorityKeyIdentifier=keyid) \
    -out "$folder/$name.pem" 2>/dev/null
  rm -f "$folder/.request" "$folder"/*.srl
  made "$name.pem"
  made "$name.key"
}

# Compose reads it: what it demands is there now.
name_the_folder() {
  local settings=$here/.env
  [[ $folder == "$here/secrets" ]] || return 0
  grep --quiet --no-messages '^SECRETS=' "$settings" && return
  [[ -z $(tail -c 1 "$settings" 2>/dev/null) ]] || echo >>"$settings"
  echo "SECRETS=./secrets" >>"$settings"
}

for role in admin ingress worker library token; do password "$role"; done
authority
certificate bus "${buses[@]}"
certificate site "${sites[@]}"
name_the_folder
echo "All there, in $folder"
