#!/usr/bin/env bash
# Puts the Trino chart into the repository. Its version gets a digest of its content, so that Flux sees every change of it.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

CHART=$LAB_SOURCE/chart/trino
version=$(awk '$1 == "version:" { print $2 }' "$CHART/Chart.yaml")
version=$version+lab.$(cd "$CHART" && find . -type f | sort | xargs sha256sum | sha256sum | cut -c1-8)
mkdir -p "$STATE/charts"
if [ -f "$STATE/charts/trino-$version.tgz" ] && grep -qF "$version" "$STATE/charts/index.yaml" 2>/dev/null; then
    echo "chart trino $version is there"
    exit 0
fi
rm -rf "$STATE/charts.partial"
mkdir "$STATE/charts.partial"
export HELM_CACHE_HOME=$STATE/helm/cache HELM_CONFIG_HOME=$STATE/helm/config HELM_DATA_HOME=$STATE/helm/data
"$BIN/helm" lint "$CHART" > "$RUN/chart-lint.log" 2>&1 || { cat "$RUN/chart-lint.log" >&2; exit 1; }
"$BIN/helm" package "$CHART" --version "$version" --destination "$STATE/charts.partial" > /dev/null
"$BIN/helm" repo index "$STATE/charts.partial" --url "http://127.0.0.1:$CHARTS_PORT"
# Into the served folder, index last: the server holds the folder itself open.
mv "$STATE/charts.partial"/*.tgz "$STATE/charts/"
mv "$STATE/charts.partial/index.yaml" "$STATE/charts/index.yaml"
rmdir "$STATE/charts.partial"
echo "published chart trino $version"
