#!/usr/bin/env bash
# Routes Service addresses to pods with nftables, out of Debian's unpacked package.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=kube-proxy

export LD_LIBRARY_PATH="$DEBIAN_ROOT/usr/lib/x86_64-linux-gnu" PATH="$DEBIAN_ROOT/usr/sbin:$PATH"
exec "$BIN/kube-proxy" --config="$CONFIG/kube-proxy.yaml" --v=1
