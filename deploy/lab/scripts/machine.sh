# Sourced: what of the machine the lab may change, and how to recognise what belongs to the lab. Changes nothing itself.

# Set by the lab (forwarding), by the kubelet and by kube-proxy.
MACHINE_SYSCTLS=(
    net/ipv4/ip_forward
    net/ipv4/conf/all/forwarding
    net/ipv4/conf/all/route_localnet
    net/bridge/bridge-nf-call-iptables
    vm/overcommit_memory
    vm/panic_on_oom
    kernel/panic
    kernel/panic_on_oops
    kernel/keys/root_maxkeys
    kernel/keys/root_maxbytes
)

# Made by containerd, the kubelet or network plugins at places that they do not let one choose.
MACHINE_PATHS=(
    /run/containerd
    /run/flannel
    /run/netns
    /run/xtables.lock
    /run/systemd/resolve
    /var/lib/cni
    /var/lib/containerd
    /var/lib/kubelet
    /var/log/containers
    /var/log/pods
    /opt/cni
    /opt/containerd
    /etc/cni
    /usr/libexec/kubernetes
    /var/run/kubernetes
)

# cgroup_folders: where the lab's cgroup is, in each hierarchy (version 1, 2 or both).
cgroup_folders() {
    awk -v name="$CGROUP" '($3 == "cgroup" || $3 == "cgroup2") && !seen[$2]++ { print $2 "/" name }' /proc/mounts
}

# lab_processes: `pid name` of each process that a launcher of this lab started, and of their children that keep its mark.
# Told by the environment they were started with, so no record is needed and no stranger is ever named.
lab_processes() {
    local folder mark
    for folder in /proc/[0-9]*; do
        mark=$(tr '\0' '\n' < "$folder/environ" 2>/dev/null | grep -xE "FLOWCTL_LAB=$FLOWCTL_LAB|FLOWCTL_LAB_DAEMON=.*" | sort) || continue
        [[ $mark == *"FLOWCTL_LAB=$FLOWCTL_LAB"* && $mark == *FLOWCTL_LAB_DAEMON=* ]] || continue
        echo "${folder#/proc/} ${mark##*FLOWCTL_LAB_DAEMON=}"
    done 2>/dev/null || true
}

# lab_daemons: the same without containerd's shims, which are what it leaves behind when it dies.
lab_daemons() {
    local pid name
    lab_processes | while read -r pid name; do
        case $(tr '\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null || true) in *containerd-shim*) ;; *) echo "$pid $name" ;; esac
    done
}

# lab_mounts: the mount points below the lab's folder, innermost first.
lab_mounts() { awk -v top="$FLOWCTL_LAB/" 'index($2, top) == 1 { print $2 }' /proc/self/mounts | sort -r; }
