#!/usr/bin/env bash
# Hive Metastore with an empty Derby schema beside it, so that a start copies a folder instead of running the schema tool.
. "$(dirname "${BASH_SOURCE[0]}")/maven.sh"
. "$(dirname "${BASH_SOURCE[0]}")/java.sh"

JARS=(
    "org.apache.hadoop:hadoop-client-api:$HADOOP_VERSION"
    "org.apache.hadoop:hadoop-client-runtime:$HADOOP_VERSION"
    "org.apache.hadoop:hadoop-aws:$HADOOP_VERSION"
    "com.amazonaws:aws-java-sdk-bundle:$AWS_SDK_VERSION"
    # What a full Hadoop installation would have brought along:
    commons-logging:commons-logging:1.2
    commons-cli:commons-cli:1.5.0
    commons-collections:commons-collections:3.2.2
    commons-io:commons-io:2.11.0
    commons-codec:commons-codec:1.15
    org.slf4j:slf4j-api:1.7.36
)
DISTRIBUTION="org.apache.hive:hive-standalone-metastore:$HIVE_METASTORE_VERSION:tar.gz:bin"

build() {
    local out=$1 jar
    maven_get "$DISTRIBUTION" "${JARS[@]}"
    tar -xzf "$MAVEN_REPOSITORY/$(maven_path "$DISTRIBUTION")" -C "$out" --strip-components=1
    mkdir -p "$out/hadoop"
    for jar in "${JARS[@]}"; do ln "$MAVEN_REPOSITORY/$(maven_path "$jar")" "$out/hadoop/" 2>/dev/null || cp "$MAVEN_REPOSITORY/$(maven_path "$jar")" "$out/hadoop/"; done
    cc -shared -fPIC -O2 -o "$out/bind_to.so" "$LAB_SOURCE/native/bind_to.c" -ldl
    jdk_for_metastore
    [ -n "$JAVA_FOUND" ] || { echo "no JDK 17 found" >&2; return 1; }
    echo "creating the metastore's schema"
    mkdir "$out/schema"
    sed "s#@DATABASE@#$out/schema/metastore_db#" "$LAB_SOURCE/config/metastore-schema.xml.in" > "$out/schema/metastore-site.xml"
    if ! METASTORE_HOME=$out METASTORE_CONF_DIR=$out/schema "$JAVA_FOUND/bin/java" -Xmx256m \
        --add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.net=ALL-UNNAMED \
        -Dderby.system.durability=test -Dderby.stream.error.file="$out/schema/derby.log" \
        -cp "$out/schema:$out/lib/*:$out/hadoop/*" \
        org.apache.hadoop.hive.metastore.tools.MetastoreSchemaTool -dbType derby -initSchema > "$out/schema/tool.log" 2>&1
    then tail -n 20 "$out/schema/tool.log" >&2; return 1; fi
}

make_artifact "hive-metastore-$HIVE_METASTORE_VERSION-$(recipe_of "${BASH_SOURCE[0]}" "$LAB_SOURCE/native/bind_to.c" "$LAB_SOURCE/config/metastore-schema.xml.in" "$HADOOP_VERSION" "$AWS_SDK_VERSION")" build
link_program hive-metastore "$ARTIFACT"
