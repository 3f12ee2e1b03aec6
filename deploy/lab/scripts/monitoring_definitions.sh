#!/usr/bin/env bash
# The definitions of PrometheusRule and ServiceMonitor, out of the module of Prometheus' operator, which go.sum pins.
. "$(dirname "${BASH_SOURCE[0]}")/artifact.sh"

MODULE=$LAB_SOURCE/build/monitoring-definitions
NAME=github.com/prometheus-operator/prometheus-operator
VERSION=$(awk -v module="$NAME" '$1 == "require" && $2 == module { print $3 }' "$MODULE/go.mod")
[ -n "$VERSION" ] || { echo "$MODULE/go.mod does not name the version of $NAME" >&2; exit 2; }
export GOMODCACHE=$FLOWCTL_LAB/go/mod GOTOOLCHAIN=local GOFLAGS=-mod=readonly

fetch() {
    local out=$1 kind
    echo "fetching $NAME $VERSION"
    (cd "$MODULE" && go mod download)
    for kind in prometheusrules servicemonitors; do
        cp --no-preserve=mode "$GOMODCACHE/$NAME@$VERSION/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$out/"
    done
}

make_artifact "monitoring-definitions-$VERSION-$(recipe_of "${BASH_SOURCE[0]}" "$MODULE"/go.*)" fetch
link_program monitoring-crds "$ARTIFACT"
