#!/usr/bin/env bash
# From a PrometheusRule in the cluster to the receiver, the whole way of an alert. A lab in which this does not work has no monitoring,
# whatever its daemons say. Each proof has a name of its own, so that none is taken for another's.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

PROMETHEUS=http://127.0.0.1:$PROMETHEUS_PORT
ask() { curl --fail --silent --show-error --max-time 5 "$@"; }
# sum QUERY: the one value of a query, rounded down; nothing when it has none.
sum() { ask --get --data-urlencode "query=sum($1)" "$PROMETHEUS/api/v1/query" | python3 -c 'import json, sys; r = json.load(sys.stdin)["data"]["result"]; print(int(float(r[0]["value"][1])) if r else "")'; }

scraped() { [ "$(sum 'up{job=~"prometheus|alertmanager|gateway"}')" = 3 ]; }
wait_for 40 "Prometheus to scrape itself, Alertmanager and the gateway" scraped
[ "$(sum rgw_access_log_up)" = 1 ] || { echo "the gateway's access log cannot be read" >&2; exit 1; }

PROOF=lab-proof-$$-$RANDOM
forget() { kubectl -n monitoring delete prometheusrule "$PROOF" --ignore-not-found > /dev/null; }
trap forget EXIT
kubectl apply -f - > /dev/null <<YAML
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: $PROOF, namespace: monitoring}
spec: {groups: [{name: $PROOF, rules: [{alert: LabProof, expr: vector(1), labels: {proof: $PROOF}}]}]}
YAML
received() { ask "http://127.0.0.1:$MONITOR_PORT/notifications" | grep -F "\"$PROOF\"" > /dev/null; }
wait_for 40 "the alert to reach the receiver" received
echo "an alert goes from the cluster to the receiver; Prometheus is at $PROMETHEUS"
