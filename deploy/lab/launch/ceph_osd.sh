#!/usr/bin/env bash
# Ceph's one disk: a sparse file.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=ceph-osd

exec "$LAB_SOURCE/launch/in_ceph_root.sh" ceph-osd --foreground --id 0
