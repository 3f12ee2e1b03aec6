#!/usr/bin/env bash
# trino_server.sh [VERSION]: the Trino distribution from Maven, with the plugins that the lab uses and no others (they are large).
. "$(dirname "${BASH_SOURCE[0]}")/maven.sh"

VERSION=${1:-${TRINO_VERSION:-$TRINO_DEFAULT_VERSION}}
COORDINATES=io.trino:trino-server:$VERSION:tar.gz
# tpch and tpcds are there because the chart's default catalogs name them.
PLUGINS=(iceberg hive tpch tpcds memory jmx blackhole resource-group-managers session-property-managers exchange-filesystem password-authenticators)

unpack() {
    local out=$1 folder plugin
    maven_get "$COORDINATES"
    echo "trino $VERSION: unpacking"
    # All of it first: a plugin's jars are hard links to those of other plugins, so a partial unpack would lose files.
    tar -xzf "$MAVEN_REPOSITORY/$(maven_path "$COORDINATES")" -C "$out" --strip-components=1
    for folder in "$out"/plugin/*/; do
        plugin=$(basename "$folder")
        [[ " ${PLUGINS[*]} " == *" $plugin "* ]] || rm -rf "$folder"
    done
    rm -rf "${out:?}/bin"
}

make_artifact "trino-server-$VERSION-$(recipe_of "${BASH_SOURCE[0]}")" unpack
link_program "trino-server-$VERSION" "$ARTIFACT"
