#!/usr/bin/env bash
# Hive Metastore on the bridge's address, its warehouse in the object store. Its schema is copied, not made.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
export FLOWCTL_LAB_DAEMON=hive-metastore

. "$LAB_SOURCE/scripts/java.sh"
jdk_for_metastore
[ -n "$JAVA_FOUND" ] || { echo "no JDK 17 found" >&2; exit 1; }
HOME_FOLDER=$(realpath "$BIN/hive-metastore")
export METASTORE_HOME=$HOME_FOLDER METASTORE_CONF_DIR=$STATE/metastore/conf
cd "$STATE/metastore"
# Java's own directories of performance data and the like go with the lab, not to /tmp.
mkdir -p tmp
export LD_PRELOAD="$HOME_FOLDER/bind_to.so" BIND_TO=$BRIDGE_ADDRESS
exec "$JAVA_FOUND/bin/java" -Xmx384m -Djava.net.preferIPv4Stack=true -Djava.io.tmpdir="$STATE/metastore/tmp" -XX:-UsePerfData \
    --add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.util=ALL-UNNAMED --add-opens=java.base/java.net=ALL-UNNAMED \
    --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.util.concurrent=ALL-UNNAMED \
    -Dlog4j.configurationFile="$CONFIG/metastore-log.properties" \
    -Dderby.system.durability=test -Dderby.stream.error.file="$STATE/metastore/derby.log" \
    -cp "$METASTORE_CONF_DIR:$HOME_FOLDER/lib/*:$HOME_FOLDER/hadoop/*" \
    org.apache.hadoop.hive.metastore.HiveMetaStore -p "$METASTORE_PORT"
