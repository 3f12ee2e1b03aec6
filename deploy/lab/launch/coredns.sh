#!/usr/bin/env bash
# Names for pods, on the bridge's address behind the Service kube-dns.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=coredns

exec "$BIN/coredns" -conf "$CONFIG/Corefile"
