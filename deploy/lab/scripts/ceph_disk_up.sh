#!/usr/bin/env bash
# Succeeds when the monitor counts the one disk as up.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
grep -q ' 1 up' <<<"$(timeout 10 "$LAB_SOURCE/launch/in_ceph_root.sh" ceph osd stat)"
