#!/usr/bin/env bash
# Flux: fetches charts for releases.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=source-controller

mkdir -p "$STATE"/flux/{artifacts,tmp}
export KUBECONFIG=$PKI/flux.kubeconfig RUNTIME_NAMESPACE=flux-system TMPDIR=$STATE/flux/tmp
exec "$BIN/source-controller" --storage-path="$STATE/flux/artifacts" \
    --storage-addr="127.0.0.1:$SOURCE_CONTROLLER_PORT" --storage-adv-addr="127.0.0.1:$SOURCE_CONTROLLER_PORT" \
    --metrics-addr="127.0.0.1:$SOURCE_CONTROLLER_METRICS_PORT" --health-addr="127.0.0.1:$SOURCE_CONTROLLER_HEALTH_PORT" --events-addr=
