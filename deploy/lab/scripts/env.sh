# Sourced by every script and launcher of the lab: where things are, and which ports and addresses it uses.
# Never starts, builds or changes anything. Every value may be overridden from the environment.
set -euo pipefail      # so no `| grep -q`: it closes the pipe early, and then the writer is what failed
umask 022
export PATH=$PATH:/usr/sbin:/sbin      # ip, chroot and their like, also for a shell that does not look there

LAB_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$LAB_SOURCE/versions.env"

FLOWCTL_LAB=${FLOWCTL_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/flowctl/lab}
export FLOWCTL_LAB=${FLOWCTL_LAB%/}
ARTIFACTS=$FLOWCTL_LAB/artifacts     # finished downloads and builds, one folder each, named by what went into them
BIN=$FLOWCTL_LAB/bin                 # links to the programs in the artifacts
RUN=$FLOWCTL_LAB/run                 # sockets, logs and records of what runs
STATE=$FLOWCTL_LAB/state             # data of the running platform; gone with it
PKI=$FLOWCTL_LAB/pki
SECRETS=$FLOWCTL_LAB/secrets
CONFIG=$FLOWCTL_LAB/config           # rendered from config/*.in
MACHINE=$FLOWCTL_LAB/machine         # what the machine was like before the lab
export KUBECONFIG=$FLOWCTL_LAB/kubeconfig
CONTAINERD_SOCKET=$RUN/containerd.sock

# The lab's own network: a bridge for pods and for the host services that pods use. Nothing else is reachable from outside.
BRIDGE=flowctl-lab0
BRIDGE_ADDRESS=10.244.0.1
POD_CIDR=10.244.0.0/24
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_ADDRESS=10.96.0.1
DNS_SERVICE_ADDRESS=10.96.0.10
NODE=127.0.0.1                       # the node's name; makes its internal address loopback
CGROUP=flowctl-lab                   # parent of every pod's cgroup

ETCD_PORT=${ETCD_PORT:-12379}
ETCD_PEER_PORT=${ETCD_PEER_PORT:-12380}
API_PORT=${API_PORT:-16443}
CONTROLLER_MANAGER_PORT=${CONTROLLER_MANAGER_PORT:-10257}
SCHEDULER_PORT=${SCHEDULER_PORT:-10259}
KUBELET_PORT=${KUBELET_PORT:-10250}
KUBELET_HEALTH_PORT=${KUBELET_HEALTH_PORT:-10248}
KUBE_PROXY_HEALTH_PORT=${KUBE_PROXY_HEALTH_PORT:-10256}
KUBE_PROXY_METRICS_PORT=${KUBE_PROXY_METRICS_PORT:-10249}
METRICS_SERVER_PORT=${METRICS_SERVER_PORT:-14443}
DNS_PORT=${DNS_PORT:-1053}
DNS_HEALTH_PORT=${DNS_HEALTH_PORT:-18081}
DNS_READY_PORT=${DNS_READY_PORT:-18181}
SOURCE_CONTROLLER_PORT=${SOURCE_CONTROLLER_PORT:-19390}
SOURCE_CONTROLLER_METRICS_PORT=${SOURCE_CONTROLLER_METRICS_PORT:-19391}
SOURCE_CONTROLLER_HEALTH_PORT=${SOURCE_CONTROLLER_HEALTH_PORT:-19392}
HELM_CONTROLLER_METRICS_PORT=${HELM_CONTROLLER_METRICS_PORT:-19393}
HELM_CONTROLLER_HEALTH_PORT=${HELM_CONTROLLER_HEALTH_PORT:-19394}
CHARTS_PORT=${CHARTS_PORT:-19580}
CEPH_MON_PORT=${CEPH_MON_PORT:-18300}
CEPH_PORT_MIN=${CEPH_PORT_MIN:-18310}
CEPH_PORT_MAX=${CEPH_PORT_MAX:-18390}
RGW_PORT=${RGW_PORT:-18480}
METASTORE_PORT=${METASTORE_PORT:-19283}
PROMETHEUS_PORT=${PROMETHEUS_PORT:-19590}
ALERTMANAGER_PORT=${ALERTMANAGER_PORT:-19593}
MONITOR_PORT=${MONITOR_PORT:-19595}
S3_REGION=us-east-1
S3_USER=trino-user
S3_BUCKETS=${S3_BUCKETS:-lakehouse iceberg-test}
NAMESPACE=${NAMESPACE:-data-platform}

DEBIAN_ROOT=$BIN/debian-root         # link: Debian programs, unpacked, not installed
CEPH_ROOT=$BIN/ceph-root             # link: a Debian 13 tree with Ceph 18

# Programs out of unpacked Debian packages need the libraries beside them; the machine's own programs must not see those.
debian() { LD_LIBRARY_PATH="$DEBIAN_ROOT/usr/lib/x86_64-linux-gnu" "$@"; }
kubectl() { "$BIN/kubectl" "$@"; }
containers() { "$DEBIAN_ROOT/usr/bin/ctr" --address "$CONTAINERD_SOCKET" --namespace k8s.io "$@"; }

# wait_for SECONDS WHAT COMMAND…: polls until the command succeeds; fails with a sentence that says what did not happen.
wait_for() {
    local seconds=$1 what=$2; shift 2
    local end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "after $seconds s still waiting for $what" >&2; return 1; }
        sleep 0.2
    done
}
