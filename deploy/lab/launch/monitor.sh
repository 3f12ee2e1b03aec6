#!/usr/bin/env bash
# The lab's monitor (build/monitor): targets and rules for Prometheus, the end of an alert's way, the gateway's figures.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=monitor

mkdir -p "$STATE/monitoring"
export MONITOR_DATA=$STATE/monitoring MONITOR_LISTEN=127.0.0.1:$MONITOR_PORT MONITOR_NAMESPACE=$NAMESPACE
export MONITOR_API=https://127.0.0.1:$API_PORT MONITOR_CA=$PKI/ca.crt MONITOR_CERTIFICATE=$PKI/monitor.crt MONITOR_KEY=$PKI/monitor.key
export MONITOR_PROMETHEUS=http://127.0.0.1:$PROMETHEUS_PORT
MONITOR_PROMTOOL=$(realpath "$BIN/monitoring-root")/usr/bin/promtool
export MONITOR_PROMTOOL
export MONITOR_GATEWAY_LOG=$STATE/ceph/log/client.rgw.log MONITOR_GATEWAY_SOCKET=$STATE/ceph/run/client.rgw.asok
exec "$BIN/monitor"
