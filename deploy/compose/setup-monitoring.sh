#!/usr/bin/env bash
# Makes ./monitoring of ../monitoring, for the profile `monitoring` of compose.yaml: the same files, with the services'
# names where they have this machine's address. Safe to repeat: run it again after a change there. Alertmanager's
# receiver stays as it is here, unless --webhook names another.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<EOF
Usage: $0 [--webhook URL]
  --webhook  Alertmanager's receiver     [default: the one in monitoring/alertmanager/alertmanager.yml; at first none]
EOF
}

webhook=
while (($#)); do
  case "$1" in
    --webhook)
      [[ ${2:-} =~ ^https?://[A-Za-z0-9._~:/?#@%=+-]+$ ]] || { echo "$0: --webhook needs http://... or https://..." >&2; exit 2; }
      webhook=$2
      shift 2
      ;;
    -h | --help) usage; exit 0 ;;
    *) echo "$0: $1 is not an option." >&2; usage >&2; exit 2 ;;
  esac
done

command -v openssl >/dev/null || { echo "$0: there is no openssl: install it (Debian: openssl)." >&2; exit 1; }

rm -rf monitoring.new
mkdir monitoring.new
cp -R ../monitoring/{prometheus,alertmanager,grafana,loki} monitoring.new/
sed -i -e 's/127\.0\.0\.1:9108/ingress:9108/' -e 's/127\.0\.0\.1:9109/worker:9109/' \
  -e 's/127\.0\.0\.1:9110/library:9110/' -e 's/127\.0\.0\.1:9093/alertmanager:9093/' \
  monitoring.new/prometheus/prometheus.yml
sed -i -e 's/127\.0\.0\.1:9090/prometheus:9090/' -e 's/127\.0\.0\.1:3100/loki:3100/' \
  monitoring.new/grafana/provisioning/datasources/*.yml
sed -i -e 's/http_listen_address: 127\.0\.0\.1/http_listen_address: 0.0.0.0/' monitoring.new/loki/loki.yml
if [[ -n $webhook ]]; then
  sed -i -e "s|url: http://127.0.0.1:9095/docqa|url: $webhook|" monitoring.new/alertmanager/alertmanager.yml
elif [[ -e monitoring/alertmanager/alertmanager.yml ]]; then
  # An operator's own receivers.
  cp monitoring/alertmanager/alertmanager.yml monitoring.new/alertmanager/
fi
# The containers read them as users of their own.
chmod -R a+rX monitoring.new
if command -v promtool >/dev/null; then promtool check config monitoring.new/prometheus/prometheus.yml >&2; fi
# Running containers still see the former folder: they must be recreated.
anew=""
[[ ! -e monitoring ]] || anew=" --force-recreate prometheus alertmanager grafana loki"
rm -rf monitoring
mv monitoring.new monitoring

# Grafana's first password: generated once.
mkdir -p secrets
chmod 700 secrets
[[ -s secrets/grafana ]] || { openssl rand -hex 16 >secrets/grafana; chmod 444 secrets/grafana; }
[[ -n $webhook ]] || grep -q '127\.0\.0\.1:9095' monitoring/alertmanager/alertmanager.yml &&
  echo "Alerts have no receiver yet: name one with --webhook." >&2
echo "Now: docker compose --profile monitoring up --detach --wait$anew; then http://127.0.0.1:3000 (admin, secrets/grafana)"
