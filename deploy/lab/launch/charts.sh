#!/usr/bin/env bash
# The chart repository: a folder over HTTP on loopback.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=charts

mkdir -p "$STATE/charts"
exec python3 -m http.server "$CHARTS_PORT" --bind 127.0.0.1 --directory "$STATE/charts"
