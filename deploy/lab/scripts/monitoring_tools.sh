#!/usr/bin/env bash
# Prometheus with promtool, and Alertmanager, out of Debian packages, unpacked into the cache.
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"

# at_least PROGRAM VERSION: an older one lacks what the lab's configuration and flowctl's step kinds ask for.
at_least() {
    local have
    have=$("$1" --version 2>&1 | sed -n 's/.*version \([0-9][0-9.]*\).*/\1/p' | sed -n 1p)
    echo "${1##*/} ${have:-does not say its version}"
    [ -n "$have" ] && [ "$(printf '%s\n' "$2" "$have" | sort -V | sed -n 1p)" = "$2" ] || { echo "the lab needs ${1##*/} $2 or later" >&2; return 1; }
}

unpack() {
    local out=$1
    unpack_packages "$out" prometheus prometheus-alertmanager
    # Proof that they run and are what is meant, before the folder is called complete.
    at_least "$out/root/usr/bin/prometheus" "$PROMETHEUS_LEAST_VERSION"
    at_least "$out/root/usr/bin/promtool" "$PROMETHEUS_LEAST_VERSION"
    at_least "$out/root/usr/bin/prometheus-alertmanager" "$ALERTMANAGER_LEAST_VERSION"
}

make_artifact "monitoring-tools-$(recipe_of "${BASH_SOURCE[0]}" "$PROMETHEUS_LEAST_VERSION" "$ALERTMANAGER_LEAST_VERSION")" unpack
link_program monitoring-root "$ARTIFACT/root"
