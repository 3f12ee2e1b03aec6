#!/usr/bin/env bash
# in_ceph_root.sh PROGRAM ARGUMENTS…: runs a program of the Ceph tree, which sees the machine's devices and the lab's folder.
# The mounts are in a namespace of this process only: they end with it, whatever ends it, and never show on the machine.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"

ROOT=$(realpath "$CEPH_ROOT")
mkdir -p "$STATE"/ceph/{mon,osd,rgw,log,run} "$ROOT$FLOWCTL_LAB"
: >> "$STATE/ceph/keyring"
# shellcheck disable=SC2016  # expanded by the inner shell
exec unshare --mount --propagation private sh -c '
    root=$1 lab=$2 config=$3 program=$4; shift 4
    mount --bind /proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --bind "$lab" "$root$lab" || exit 1
    exec chroot "$root" "$program" --conf "$config" "$@"
' sh "$ROOT" "$FLOWCTL_LAB" "$CONFIG/ceph.conf" "$@"
