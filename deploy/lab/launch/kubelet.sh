#!/usr/bin/env bash
# The node. Its pods are in cgroups below $CGROUP, which machine_prepare.sh makes.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=kubelet

exec "$BIN/kubelet" --config="$CONFIG/kubelet.yaml" --kubeconfig="$PKI/kubelet.kubeconfig" --hostname-override="$NODE" \
    --root-dir="$STATE/kubelet" --cert-dir="$STATE/kubelet-certificates" --v=1
