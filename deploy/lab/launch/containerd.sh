#!/usr/bin/env bash
# Runs the containers. Its shims outlive it, so a restart finds the pods running.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=containerd

export LD_LIBRARY_PATH="$DEBIAN_ROOT/usr/lib/x86_64-linux-gnu" PATH="$DEBIAN_ROOT/usr/bin:$DEBIAN_ROOT/usr/sbin:$PATH"
exec "$DEBIAN_ROOT/usr/bin/containerd" --config "$CONFIG/containerd.toml"
