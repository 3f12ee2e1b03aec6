#!/usr/bin/env bash
# Prometheus on loopback. Its targets and rules are the monitor's to write; it reads rules again when the monitor says so.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=prometheus

ROOT=$(realpath "$BIN/monitoring-root")
# It watches only folders that are there.
mkdir -p "$STATE/monitoring"/{prometheus,targets}
# For five seconds after its configuration is read again, Prometheus knows no Alertmanager and drops what it would send; by default
# it sends again only after a minute.
exec "$ROOT/usr/bin/prometheus" --config.file="$CONFIG/prometheus.yaml" --web.listen-address="127.0.0.1:$PROMETHEUS_PORT" --web.enable-lifecycle \
    --rules.alert.resend-delay=2s --storage.tsdb.path="$STATE/monitoring/prometheus" --storage.tsdb.retention.time=12h --storage.tsdb.retention.size=1GB \
    --log.level=warn
