#!/usr/bin/env bash
# kubernetes_apply.sh cluster|platform|charts|flux-crds: applies manifests/NAME.yaml.in (or Flux's own definitions) to the lab's cluster.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

apply() { kubectl apply --server-side --force-conflicts --field-manager=flowctl-lab -f "$1" | { grep -v 'unchanged' || true; } | wc -l; }

if [ "$1" = flux-crds ]; then
    apply "$BIN/flux-crds/" > /dev/null
    kubectl wait --for=condition=Established --timeout=60s crd/helmreleases.helm.toolkit.fluxcd.io crd/helmrepositories.source.toolkit.fluxcd.io crd/helmcharts.source.toolkit.fluxcd.io > /dev/null
    echo "Flux's definitions are established"
    exit 0
fi
CA_BUNDLE=$(base64 -w0 < "$PKI/ca.crt")
text=$(<"$LAB_SOURCE/manifests/$1.yaml.in")
for name in $(grep -o '@[A-Z_]*@' <<<"$text" | tr -d @ | sort -u); do text=${text//@$name@/${!name}}; done
kubectl apply --server-side --force-conflicts --field-manager=flowctl-lab -f - <<<"$text" > /dev/null
echo "applied $1"
