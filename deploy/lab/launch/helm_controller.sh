#!/usr/bin/env bash
# Flux: turns HelmReleases into what runs.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=helm-controller

mkdir -p "$STATE/flux/tmp"
export KUBECONFIG=$PKI/flux.kubeconfig RUNTIME_NAMESPACE=flux-system TMPDIR=$STATE/flux/tmp
exec "$BIN/helm-controller" --metrics-addr="127.0.0.1:$HELM_CONTROLLER_METRICS_PORT" --health-addr="127.0.0.1:$HELM_CONTROLLER_HEALTH_PORT" --events-addr=
