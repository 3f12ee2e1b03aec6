#!/usr/bin/env bash
# Ceph's object gateway: S3 on loopback and, for pods, on the bridge.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=ceph-rgw

mkdir -p "$STATE/ceph/rgw"
exec "$LAB_SOURCE/launch/in_ceph_root.sh" radosgw --foreground --name client.rgw
