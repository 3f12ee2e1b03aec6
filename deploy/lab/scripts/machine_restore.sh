#!/usr/bin/env bash
# machine_restore.sh [--if-nothing-runs]: ends what is left of the lab and puts the machine back as machine_prepare.sh found it.
# The platform's data go with it; downloads and builds stay. With --if-nothing-runs it leaves a lab alone of which any daemon lives,
# and else clears the debris of one that was killed: so it is also the first thing that a start does.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
. "$LAB_SOURCE/scripts/machine.sh"

if [ "${1:-}" = --if-nothing-runs ]; then
    alive=$(lab_daemons)
    if [ -n "$alive" ]; then
        echo "a lab is running ($(wc -l <<<"$alive") daemons): nothing to clear"
        exit 0
    fi
fi

# end_all SIGNAL PIDS…: signals exactly these; a process that is gone already is no error.
end_all() {
    local signal=$1 pid; shift
    for pid in "$@"; do kill -s "$signal" "$pid" 2>/dev/null || true; done
}

echo "ending pods and leftover daemons"
for pass in TERM KILL KILL; do
    # Containers have the lab's cgroup, daemons and shims its mark.
    mapfile -t pids < <({ cgroup_folders | while read -r folder; do [ ! -d "$folder" ] || find "$folder" -name cgroup.procs -exec cat {} + 2>/dev/null; done; lab_processes | cut -d' ' -f1; } | sort -un)
    [ ${#pids[@]} -gt 0 ] || break
    end_all "$pass" "${pids[@]}"
    for _ in $(seq 50); do
        left=0
        for pid in "${pids[@]}"; do
            # A zombie is dead: only its parent can take it away.
            state=$(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2>/dev/null || echo X)
            case $state in Z|X) ;; *) left=1 ;; esac
        done
        [ "$left" = 1 ] || break
        sleep 0.1
    done
done

echo "taking away mounts, network and cgroups"
for _ in 1 2 3; do
    while read -r point; do umount "$point" 2>/dev/null || umount --lazy "$point" 2>/dev/null || true; done < <(lab_mounts)
    [ -n "$(lab_mounts)" ] || break
    sleep 0.3
done
# The pods' ends of their network pairs go with their namespaces, which were among the mounts; the host's ends hang on the bridge.
if ip link show "$BRIDGE" > /dev/null 2>&1; then
    for link in $(ip -o link show master "$BRIDGE" 2>/dev/null | sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do ip link delete "$link" 2>/dev/null || true; done
    ip link delete "$BRIDGE"
fi
if [ -x "$DEBIAN_ROOT/usr/sbin/nft" ]; then
    for family in ip ip6; do
        # kube-proxy's table, if this lab's (prerequisites.sh refuses to start beside another's).
        [ ! -f "$MACHINE/boot" ] || debian "$DEBIAN_ROOT/usr/sbin/nft" delete table "$family" kube-proxy 2>/dev/null || true
    done
fi
cgroup_folders | while read -r folder; do
    [ -d "$folder" ] || continue
    # Just emptied cgroups may be busy for a moment.
    for _ in $(seq 20); do find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true; [ -d "$folder" ] || break; sleep 0.1; done
done

if [ -n "$(lab_mounts)" ]; then
    echo "still mounted, so nothing is deleted:" >&2
    lab_mounts >&2
    exit 1
fi
rm -rf "$STATE" "$RUN/containerd" "$RUN/runc" "$RUN"/*.sock "$RUN"/*.sock.ttrpc "$SECRETS"
if [ -d /var/log/containers ]; then find /var/log/containers -lname "$FLOWCTL_LAB/*" -delete; fi

if [ -f "$MACHINE/boot" ]; then
    # After a reboot the settings are the machine's own again: only the same boot's are put back.
    if [ "$(cat "$MACHINE/boot")" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then
        while read -r key value; do
            [ "$(tr '\t' ' ' < "/proc/sys/$key")" = "$value" ] || echo "$value" > "/proc/sys/$key"
        done < "$MACHINE/sysctls"
        while read -r path; do rm -rf "$path"; done < "$MACHINE/absent-paths"
        # mount(8) makes this one; it may hold notes of other mounts by now.
        [ ! -f "$MACHINE/made-run-mount" ] || rmdir --ignore-fail-on-non-empty /run/mount 2>/dev/null || true
    fi
    rm -rf "$MACHINE"
fi
echo "the machine is as it was"
