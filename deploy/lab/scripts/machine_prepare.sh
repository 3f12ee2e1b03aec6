#!/usr/bin/env bash
# Makes what the lab needs of the machine itself: forwarding, a bridge, a cgroup. Notes first how things were, for machine_restore.sh.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
. "$LAB_SOURCE/scripts/machine.sh"

# Written once a boot: a second run must not take the lab's own settings for the machine's.
if [ "$(cat "$MACHINE/boot" 2>/dev/null || true)" != "$(cat /proc/sys/kernel/random/boot_id)" ]; then
    rm -rf "$MACHINE" "$MACHINE.partial"
    mkdir -p "$MACHINE.partial"
    for key in "${MACHINE_SYSCTLS[@]}"; do
        [ ! -r "/proc/sys/$key" ] || printf '%s %s\n' "$key" "$(tr '\t' ' ' < "/proc/sys/$key")"
    done > "$MACHINE.partial/sysctls"
    for path in "${MACHINE_PATHS[@]}"; do [ -e "$path" ] || echo "$path"; done > "$MACHINE.partial/absent-paths"
    [ -e /run/mount ] || touch "$MACHINE.partial/made-run-mount"
    cat /proc/sys/kernel/random/boot_id > "$MACHINE.partial/boot"
    mv -T "$MACHINE.partial" "$MACHINE"
    echo "noted how the machine was"
fi

echo 1 > /proc/sys/net/ipv4/ip_forward

if ! ip link show "$BRIDGE" > /dev/null 2>&1; then
    ip link add "$BRIDGE" address 0a:58:0a:f4:00:01 type bridge
    echo "made bridge $BRIDGE"
fi
grep -q "inet $BRIDGE_ADDRESS/" <<<"$(ip address show dev "$BRIDGE")" || ip address add "$BRIDGE_ADDRESS/${POD_CIDR#*/}" dev "$BRIDGE"
ip link set "$BRIDGE" up

cgroup_folders | while read -r folder; do mkdir -p "$folder"; done
# A cpuset without processors takes no process.
cpusets=/sys/fs/cgroup/cpuset
for list in cpuset.cpus cpuset.mems; do
    [ ! -f "$cpusets/$CGROUP/$list" ] || [ -n "$(cat "$cpusets/$CGROUP/$list")" ] || cat "$cpusets/$list" > "$cpusets/$CGROUP/$list"
done
echo "the machine is prepared"
