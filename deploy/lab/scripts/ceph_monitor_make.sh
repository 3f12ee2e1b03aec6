#!/usr/bin/env bash
# An empty store for Ceph's monitor, once.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

if [ -f "$STATE/ceph/mon.made" ]; then
    echo "the monitor's store is there"
    exit 0
fi
in_root() { "$LAB_SOURCE/launch/in_ceph_root.sh" "$@"; }
rm -rf "$STATE/ceph/mon"
in_root monmaptool --create --clobber --fsid "$(cat "$STATE/ceph-cluster-id")" --addv a "[v2:127.0.0.1:$CEPH_MON_PORT]" "$STATE/ceph/monmap" > /dev/null
in_root ceph-mon --mkfs --id a --monmap "$STATE/ceph/monmap" --keyring "$STATE/ceph/keyring"
touch "$STATE/ceph/mon.made"
echo "made the monitor's store"
