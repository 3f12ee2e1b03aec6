#!/usr/bin/env bash
# prove.sh [TRINO_VERSION]: from inside a pod, everything that Trino will need: names, routes through Services, the metastore,
# the object store. A lab whose pods cannot do this is not up, whatever its daemons say.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

VERSION=${1:-${TRINO_VERSION:-$TRINO_DEFAULT_VERSION}}
POD=lab-proof
wait_for 60 "the service account of $NAMESPACE" kubectl -n "$NAMESPACE" get serviceaccount default
kubectl -n "$NAMESPACE" delete pod "$POD" --ignore-not-found --grace-period=0 --force > /dev/null 2>&1
kubectl -n "$NAMESPACE" apply -f - > /dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $POD}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 0
  activeDeadlineSeconds: 90
  containers:
    - name: proof
      image: localhost/flowctl-lab/trino:$VERSION
      imagePullPolicy: Never
      command:
        - /bin/sh
        - -ec
        - |
          # The first packets may come before the routes.
          try() { for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do "\$@" > /dev/null 2>&1 && return 0; sleep 1; done; echo "failed: \$*"; return 1; }
          try nslookup hive-metastore.$NAMESPACE.svc.cluster.local
          connects() { nc -w 3 hive-metastore 9083 < /dev/null; }
          try connects
          answers() { printf 'GET / HTTP/1.0\r\nHost: ceph-rgw\r\n\r\n' | nc -w 5 ceph-rgw 80 | grep -q ListAllMyBucketsResult; }
          try answers
          echo proven
YAML
phase() { kubectl -n "$NAMESPACE" get pod "$POD" -o 'jsonpath={.status.phase}'; }
ended() { case $(phase) in Succeeded|Failed) ;; *) return 1 ;; esac; }
if ! wait_for 90 "the proof pod" ended || [ "$(phase)" != Succeeded ] || [ "$(kubectl -n "$NAMESPACE" logs "$POD" | tail -n 1)" != proven ]; then
    kubectl -n "$NAMESPACE" logs "$POD" >&2 || true
    kubectl -n "$NAMESPACE" describe pod "$POD" | tail -n 15 >&2
    exit 1
fi
kubectl -n "$NAMESPACE" delete pod "$POD" --grace-period=0 --force > /dev/null 2>&1
# The repository as Flux sees it, and the metrics API as clients see it.
kubectl -n flux-system wait helmrepository/trino --for=condition=Ready --timeout=60s > /dev/null
kubectl top nodes > /dev/null
echo "the lab is up: KUBECONFIG=$KUBECONFIG, S3 at http://127.0.0.1:$RGW_PORT, Trino image localhost/flowctl-lab/trino:$VERSION"
