#!/usr/bin/env bash
# trino_image.sh [VERSION]: image localhost/flowctl-lab/trino:VERSION with the file layout of the official one:
# /usr/lib/trino, /etc/trino, /data/trino, run-trino and health-check. Three layers: system, Java, Trino.
. "$(dirname "${BASH_SOURCE[0]}")/maven.sh"
. "$(dirname "${BASH_SOURCE[0]}")/java.sh"

VERSION=${1:-${TRINO_VERSION:-$TRINO_DEFAULT_VERSION}}
IMAGE=localhost/flowctl-lab/trino:$VERSION
SYSTEM_PACKAGES=(libc6 libgcc-s1 libstdc++6 zlib1g)
SERVER=$BIN/trino-server-$VERSION
JMX_EXPORTER=io.prometheus.jmx:jmx_prometheus_javaagent:$JMX_EXPORTER_VERSION
[ -d "$SERVER/lib" ] || { echo "run trino_server.sh $VERSION first" >&2; exit 2; }
jdk_for_trino "$VERSION"
[ -n "$JAVA_FOUND" ] || { echo "no JDK fit for Trino $VERSION found" >&2; exit 2; }

# The few modules that jlink cannot find by itself because Trino loads them by name.
MODULES=java.se,jdk.unsupported,jdk.management,jdk.management.agent,jdk.crypto.ec,jdk.crypto.cryptoki,jdk.jcmd,jdk.attach,jdk.zipfs,jdk.naming.dns,jdk.security.auth,jdk.security.jgss,jdk.net,jdk.httpserver,jdk.charsets,jdk.localedata,jdk.jfr,jdk.management.jfr,jdk.nio.mapmode,jdk.xml.dom,jdk.dynalink,jdk.accessibility,jdk.incubator.vector

system_layer() {
    local out=$1 package folder
    mkdir -p "$out" "$FLOWCTL_LAB/apt/image"
    (cd "$FLOWCTL_LAB/apt/image" && rm -f ./*.deb &&
        apt-get -qq -o Dir::State::Lists="$FLOWCTL_LAB/apt/lists" -o Dir::Cache="$FLOWCTL_LAB/apt/cache" -o APT::Sandbox::User=root -o Acquire::Retries=3 download "${SYSTEM_PACKAGES[@]}")
    mkdir -p "$out"/usr/{bin,sbin,lib,lib64}
    for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$out/$folder"; done
    for package in "$FLOWCTL_LAB"/apt/image/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$out"; done
    rm -rf "${out:?}"/usr/share "$out"/usr/lib/x86_64-linux-gnu/gconv
    cp "$DEBIAN_ROOT/bin/busybox" "$out/usr/bin/busybox"
    "$out/usr/bin/busybox" --list | while read -r package; do [ -e "$out/usr/bin/$package" ] || ln -s busybox "$out/usr/bin/$package"; done
    mkdir -p "$out"/{etc,tmp,root,proc,sys,dev,data/trino}
    chmod 1777 "$out/tmp"
    printf 'root:x:0:0:root:/root:/bin/sh\ntrino:x:1000:1000:trino:/data/trino:/bin/sh\n' > "$out/etc/passwd"
    printf 'root:x:0:\ntrino:x:1000:\n' > "$out/etc/group"
    echo 'hosts: files dns' > "$out/etc/nsswitch.conf"
}

java_layer() {
    local out=$1 program
    mkdir -p "$out"/usr/{bin,lib/jvm}
    echo "jlink: a Java runtime from $JAVA_FOUND"
    "$JAVA_FOUND/bin/jlink" --add-modules "$MODULES" --strip-java-debug-attributes --no-header-files --no-man-pages --generate-cds-archive --output "$out/usr/lib/jvm/jre"
    rm -f "$out/usr/lib/jvm/jre/lib/src.zip"
    for program in java jcmd jstack; do ln -s "../lib/jvm/jre/bin/$program" "$out/usr/bin/$program"; done
}

trino_layer() {
    local out=$1
    mkdir -p "$out"/{usr/lib/trino/bin,etc/trino}
    cp -al "$(realpath "$SERVER")/lib" "$(realpath "$SERVER")/plugin" "$out/usr/lib/trino/"
    [ ! -d "$SERVER/secrets-plugin" ] || cp -al "$(realpath "$SERVER")/secrets-plugin" "$out/usr/lib/trino/"
    install -m 0755 "$LAB_SOURCE"/images/trino/{run-trino,health-check} "$out/usr/lib/trino/bin/"
    if [ "$VERSION" -ge 447 ]; then
        printf '%s\n' --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -XX:+EnableDynamicAgentLoading
    else
        # An old Java may meet options of a newer one in jvm.config.
        printf '%s\n' -XX:+IgnoreUnrecognizedVMOptions
    fi > "$out/usr/lib/trino/bin/java-options"
    # Metrics of its own it has from 407 on. The chart names the exporter's port.
    if [ "$VERSION" -lt 407 ]; then
        maven_get "$JMX_EXPORTER"
        install -m 0644 -D "$MAVEN_REPOSITORY/$(maven_path "$JMX_EXPORTER")" "$out/usr/lib/trino/metrics/exporter.jar"
        install -m 0644 "$LAB_SOURCE/images/trino/metrics.yaml" "$out/usr/lib/trino/metrics/"
        echo -javaagent:/usr/lib/trino/metrics/exporter.jar=5556:/usr/lib/trino/metrics/metrics.yaml >> "$out/usr/lib/trino/bin/java-options"
    fi
}

build() {
    local out=$1
    system_layer "$out/system"
    java_layer "$out/java"
    trino_layer "$out/trino"
    echo "trino $VERSION: writing the image"
    python3 "$LAB_SOURCE/build/oci_image.py" "$out/image.tar" "$IMAGE" \
        '{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","JAVA_HOME=/usr/lib/jvm/jre","LANG=C.UTF-8"],"Entrypoint":["/usr/lib/trino/bin/run-trino"],"WorkingDir":"/data/trino","User":"1000:1000"}' \
        "$out/system" "$out/java" "$out/trino"
    rm -rf "$out/system" "$out/java" "$out/trino"
}

make_artifact "image-trino-$VERSION-$(recipe_of "${BASH_SOURCE[0]}" "$LAB_SOURCE"/images/trino/* "$LAB_SOURCE/build/oci_image.py" "$(readlink "$SERVER")" "$JAVA_FOUND/release" "$JMX_EXPORTER")" build
link_program "image-trino-$VERSION" "$ARTIFACT"
