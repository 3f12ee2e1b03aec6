#!/usr/bin/env bash
# Gives pods their node, of which there is one.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=kube-scheduler

exec "$BIN/kube-scheduler" --kubeconfig="$PKI/scheduler.kubeconfig" \
    --bind-address=127.0.0.1 --secure-port="$SCHEDULER_PORT" --cert-dir="$STATE/kube-scheduler" --leader-elect=false --v=1
