#!/usr/bin/env bash
# Ceph's monitor, in its Debian 13 tree.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=ceph-mon

exec "$LAB_SOURCE/launch/in_ceph_root.sh" ceph-mon --foreground --id a
