#!/usr/bin/env bash
# prerequisites.sh [TRINO_VERSION]: checks everything that the lab needs of this machine and names all that is missing at once.
# Changes nothing.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
. "$LAB_SOURCE/scripts/machine.sh"
. "$LAB_SOURCE/scripts/java.sh"

TRINO=${1:-${TRINO_VERSION:-$TRINO_DEFAULT_VERSION}}
missing=()
need() { missing+=("$1"); }

[ "$(id -u)" = 0 ] || need "root: the lab makes a bridge, cgroups and mounts (run it as root)"
[ "$(uname -sm)" = "Linux x86_64" ] || need "Linux on x86_64: this is $(uname -sm)"

# Programs
declare -A package=([go]="Go" [mvn]="maven" [python3]="python3" [cc]="gcc and libc6-dev" [openssl]="openssl" [curl]="curl" [ip]="iproute2" [unshare]="util-linux"
    [flock]="util-linux" [tar]="tar" [dpkg-deb]="dpkg" [apt-get]="apt" [chroot]="coreutils" [sha256sum]="coreutils" [find]="findutils" [awk]="gawk or mawk" [mount]="mount")
for program in "${!package[@]}"; do
    command -v "$program" > /dev/null || need "$program (${package[$program]})"
done
if command -v go > /dev/null; then
    wanted=$(sed -n 's/^go \([0-9.]*\).*/\1/p' "$LAB_SOURCE"/build/*/go.mod | sort -V | tail -n 1)
    have=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')
    [ "$(printf '%s\n' "$wanted" "$have" | sort -V | sed -n 1p)" = "$wanted" ] || need "Go $wanted or later: this is $have"
fi
if command -v python3 > /dev/null; then
    python3 -c "import pip" 2>/dev/null || need "pip for python3 (python3-pip)"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || need "python3 3.9 or later"
fi
if command -v cc > /dev/null; then
    echo 'int main(void) { return 0; }' | cc -static -x c -o /dev/null - 2>/dev/null || need "a static C library (libc6-dev)"
fi
jdk_for_metastore
[ -n "$JAVA_FOUND" ] || need "JDK 17 under /usr/lib/jvm or in JAVA17_HOME, for Hive Metastore"
if [[ $TRINO =~ ^[0-9]+$ ]]; then
    jdk_for_trino "$TRINO"
    [ -n "$JAVA_FOUND" ] || need "a JDK for Trino $TRINO under /usr/lib/jvm (24 or later from Trino 447 on, also in JAVA25_HOME; else 17)"
    grep -q "trino-server-$TRINO.tar.gz" "$LAB_SOURCE/maven.sha256" || need "a checksum for Trino $TRINO in maven.sha256: known are $(sed -n 's/.*trino-server-\([0-9]*\).tar.gz/\1/p' "$LAB_SOURCE/maven.sha256" | paste -sd' ')"
else
    need "a Trino version that is a number: not '$TRINO'"
fi
if command -v apt-get > /dev/null; then
    [ -n "$(apt-get indextargets --format '$(SITE)' 2>/dev/null | sed -n 1p)" ] || need "a Debian archive in apt's sources"
fi

# Room
free_disk() {
    local folder=$FLOWCTL_LAB
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    df --output=avail -B1G "$folder" | tail -n 1 | tr -d ' '
}
disk=$(free_disk)
# What is cached already need not fit again.
used=$(du -s --block-size=1G "$ARTIFACTS" 2>/dev/null | cut -f1 || true)
[ $((disk + ${used:-0})) -ge 20 ] || need "20 GB of disk at $FLOWCTL_LAB: $disk GB are free"
memory=$(awk '$1 == "MemTotal:" { print int($2 / 1000000) }' /proc/meminfo)
[ "$memory" -ge 10 ] || need "10 GB of memory: this machine has $memory GB"
[ ${#CONTAINERD_SOCKET} -le 90 ] || need "a shorter path than $FLOWCTL_LAB in FLOWCTL_LAB: sockets below it have at most 108 bytes"
case $FLOWCTL_LAB in /*) ;; *) need "an absolute path in FLOWCTL_LAB: not $FLOWCTL_LAB" ;; esac
case $FLOWCTL_LAB/ in "$(cd "$LAB_SOURCE/../.." && pwd)"/*) need "a FLOWCTL_LAB outside the checkout: not $FLOWCTL_LAB" ;; esac

# Kernel
grep -qw overlay /proc/filesystems || { command -v modprobe > /dev/null && modprobe --dry-run overlay 2>/dev/null; } || need "overlayfs in the kernel"
[ -n "$(cgroup_folders)" ] || need "cgroups mounted under /sys/fs/cgroup"
if ! grep -qw cgroup2 <(awk '$2 == "/sys/fs/cgroup" { print $3 }' /proc/mounts); then
    for controller in cpu cpuacct cpuset memory pids; do
        grep -q "^${controller}[[:space:]].*1$" /proc/cgroups || need "the cgroup controller $controller"
    done
fi
for type in bridge veth; do
    # Asking for help needs no device; a kernel without the type says so only when one is made, so look at what it knows.
    [ -d "/sys/module/$type" ] || grep -qsE "/(net/bridge/bridge|drivers/net/veth)\.ko" "/lib/modules/$(uname -r)/modules.builtin" "/lib/modules/$(uname -r)/modules.dep" ||
        unshare --net ip link add probe0 type "$type" 2>/dev/null || need "$type devices in the kernel"
done

# Nobody else may be using what the lab takes: only asked when no lab runs.
if [ "$(id -u)" = 0 ] && [ -z "$(lab_daemons)" ]; then
    # Both tables of the kernel, in hexadecimal; state 0A is "listening".
    listening=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r _ address _ state _; do [ "$state" != 0A ] || echo $((16#${address##*:})); done)
    for port in $ETCD_PORT $ETCD_PEER_PORT $API_PORT $CONTROLLER_MANAGER_PORT $SCHEDULER_PORT $KUBELET_PORT $KUBELET_HEALTH_PORT $KUBE_PROXY_HEALTH_PORT \
        $KUBE_PROXY_METRICS_PORT $METRICS_SERVER_PORT $DNS_PORT $DNS_HEALTH_PORT $DNS_READY_PORT $SOURCE_CONTROLLER_PORT $SOURCE_CONTROLLER_METRICS_PORT \
        $SOURCE_CONTROLLER_HEALTH_PORT $HELM_CONTROLLER_METRICS_PORT $HELM_CONTROLLER_HEALTH_PORT $CHARTS_PORT $CEPH_MON_PORT $RGW_PORT $METASTORE_PORT \
        $PROMETHEUS_PORT $ALERTMANAGER_PORT $MONITOR_PORT; do
        ! grep -qx "$port" <<<"$listening" || need "port $port: something listens there"
    done
    if command -v ip > /dev/null; then
        [ -z "$(ip route show | awk -v bridge="$BRIDGE" '$0 !~ bridge && /^10\.(244\.0|96)\./')" ] || need "the networks $POD_CIDR and $SERVICE_CIDR: this machine routes them elsewhere"
    fi
    # Its table in the kernel has one fixed name: two would overwrite each other.
    for other in /proc/[0-9]*/comm; do
        case $(cat "$other" 2>/dev/null || true) in kube-proxy|kubelet) need "no other Kubernetes node on this machine: process $(basename "$(dirname "$other")") is one" ;; esac
    done
fi

if [ ${#missing[@]} -gt 0 ]; then
    {
        echo "the lab cannot start on this machine; it needs:"
        printf '  - %s\n' "${missing[@]}"
    } >&2
    exit 1
fi
echo "this machine can run the lab (Trino $TRINO, $disk GB of disk, $memory GB of memory)"
