#!/usr/bin/env bash
# Ends every pod while containerd still runs, so that it takes the network and the mounts of each away itself.
# The kubelet must be down, or it starts them again. What this cannot do, machine_restore.sh does.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

if ! containers version > /dev/null 2>&1; then
    echo "containerd is not running"
    exit 0
fi
mapfile -t tasks < <(containers tasks list --quiet)
for task in "${tasks[@]}"; do containers tasks kill --signal SIGKILL "$task" 2>/dev/null || true; done
for _ in $(seq 50); do
    grep -q RUNNING <<<"$(containers tasks list)" || break
    sleep 0.1
done
for task in "${tasks[@]}"; do containers tasks delete --force "$task" > /dev/null 2>&1 || true; done
mapfile -t all < <(containers containers list --quiet)
for container in "${all[@]}"; do containers containers delete "$container" > /dev/null 2>&1 || true; done
echo "ended ${#tasks[@]} containers"
