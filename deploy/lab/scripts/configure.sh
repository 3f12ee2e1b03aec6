#!/usr/bin/env bash
# Renders config/*.in into the lab's folder. A file is replaced only when it differs: kube-proxy ends itself when its own is touched.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

mkdir -p "$CONFIG/cni" "$RUN" "$STATE"
[ ${#CONTAINERD_SOCKET} -le 90 ] || { echo "FLOWCTL_LAB is too long for a socket below it: $FLOWCTL_LAB" >&2; exit 1; }

# render TEMPLATE OUT: every @NAME@ becomes the value of that variable; one that is left over is an error.
render() {
    local text name value
    text=$(<"$LAB_SOURCE/config/$1")
    for name in $(grep -o '@[A-Z_]*@' <<<"$text" | tr -d @ | sort -u); do
        [ -n "${!name:-}" ] || { echo "$1 wants @$name@, which is not set" >&2; return 1; }
        value=${!name}
        text=${text//@$name@/$value}
    done
    if [ "$(cat "$2" 2>/dev/null || true)" != "$text" ]; then
        printf '%s\n' "$text" > "$2.new"
        mv -T "$2.new" "$2"
        echo "configured ${2##*/}"
    fi
}

CEPH_DATA=$STATE/ceph
CEPH_CLUSTER_ID=$(cat "$STATE/ceph-cluster-id" 2>/dev/null || cat /proc/sys/kernel/random/uuid)
[ -f "$STATE/ceph-cluster-id" ] || echo "$CEPH_CLUSTER_ID" > "$STATE/ceph-cluster-id"

render containerd.toml.in "$CONFIG/containerd.toml"
render cni.conflist.in "$CONFIG/cni/10-lab.conflist"
render kubelet.yaml.in "$CONFIG/kubelet.yaml"
render kube-proxy.yaml.in "$CONFIG/kube-proxy.yaml"
render audit-policy.yaml.in "$CONFIG/audit-policy.yaml"
render Corefile.in "$CONFIG/Corefile"
render ceph.conf.in "$CONFIG/ceph.conf"
render metastore-log.properties.in "$CONFIG/metastore-log.properties"
render prometheus.yaml.in "$CONFIG/prometheus.yaml"
render alertmanager.yaml.in "$CONFIG/alertmanager.yaml"
echo "configuration is in place"
