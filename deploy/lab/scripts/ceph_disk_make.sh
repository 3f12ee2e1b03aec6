#!/usr/bin/env bash
# Registers the one disk with the monitor and formats it, once.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

if [ -f "$STATE/ceph/osd.made" ]; then
    echo "the disk is there"
    exit 0
fi
in_root() { "$LAB_SOURCE/launch/in_ceph_root.sh" "$@"; }
# The same identity in every try: a kill between the two steps must not leave a second, dead disk in the map.
[ -s "$STATE/ceph/osd.identity" ] || cat /proc/sys/kernel/random/uuid > "$STATE/ceph/osd.identity"
identity=$(cat "$STATE/ceph/osd.identity")
number=$(in_root ceph osd new "$identity")
[ "$number" = 0 ] || { echo "the first disk should be number 0, not $number" >&2; exit 1; }
rm -rf "$STATE/ceph/osd"
mkdir "$STATE/ceph/osd"
in_root ceph-osd --id 0 --mkfs --osd-uuid "$identity" > "$RUN/ceph-osd-format.log" 2>&1 || { tail -n 20 "$RUN/ceph-osd-format.log" >&2; exit 1; }
touch "$STATE/ceph/osd.made"
echo "formatted the disk"
