#!/usr/bin/env bash
# Alertmanager on loopback, alone: no cluster of it.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=alertmanager

ROOT=$(realpath "$BIN/monitoring-root")
mkdir -p "$STATE/monitoring/alertmanager"
# Debian's build reads its own template by an absolute path. The mount is in a namespace of this process only, and ends with it.
# shellcheck disable=SC2016  # expanded by the inner shell
exec unshare --mount --propagation private sh -c '
    root=$1; shift
    mount --bind "$root/usr/share" /usr/share && exec "$root/usr/bin/prometheus-alertmanager" "$@"
' sh "$ROOT" --config.file="$CONFIG/alertmanager.yaml" --web.listen-address="127.0.0.1:$ALERTMANAGER_PORT" --cluster.listen-address= \
    --storage.path="$STATE/monitoring/alertmanager" --log.level=warn
