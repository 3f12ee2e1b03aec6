#!/usr/bin/env bash
# kubernetes_apply.sh cluster|platform|charts|monitoring|object-store…|flux-crds|monitoring-crds: applies manifests/NAME.yaml.in (or the definitions of
# Flux, or of Prometheus' operator) to the lab's cluster.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

apply() { kubectl apply --server-side --force-conflicts --field-manager=flowctl-lab -f "$1" | { grep -v 'unchanged' || true; } | wc -l; }

case $1 in
    flux-crds) DEFINITIONS=(helmreleases.helm.toolkit.fluxcd.io helmrepositories.source.toolkit.fluxcd.io helmcharts.source.toolkit.fluxcd.io) ;;
    monitoring-crds) DEFINITIONS=(prometheusrules.monitoring.coreos.com servicemonitors.monitoring.coreos.com) ;;
    *) DEFINITIONS=() ;;
esac
if [ ${#DEFINITIONS[@]} -gt 0 ]; then
    apply "$BIN/$1/" > /dev/null
    kubectl wait --for=condition=Established --timeout=60s "${DEFINITIONS[@]/#/crd/}" > /dev/null
    echo "the definitions $1 are established"
    exit 0
fi
CA_BUNDLE=$(base64 -w0 < "$PKI/ca.crt")
text=$(<"$LAB_SOURCE/manifests/$1.yaml.in")
for name in $(grep -o '@[A-Z_]*@' <<<"$text" | tr -d @ | sort -u); do text=${text//@$name@/${!name}}; done
kubectl apply --server-side --force-conflicts --field-manager=flowctl-lab -f - <<<"$text" > /dev/null
echo "applied $1"
