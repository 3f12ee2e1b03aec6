# Sourced: finds the JDKs. JAVA17_HOME and JAVA25_HOME may name them; else the first fit under /usr/lib/jvm.
# Prints nothing; java_home_for RELEASE sets JAVA_FOUND to the home of a JDK of that release or later, or to nothing.

jdk_release() { sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null; }

java_home_for() {
    local least=$1 most=$2 home release
    JAVA_FOUND=
    local named="JAVA${least}_HOME"
    for home in "${!named:-}" /usr/lib/jvm/*; do
        [ -n "$home" ] && [ -x "$home/bin/java" ] && [ -x "$home/bin/jlink" ] || continue
        release=$(jdk_release "$home")
        if [ -n "$release" ] && [ "$release" -ge "$least" ] && [ "$release" -le "$most" ]; then JAVA_FOUND=$(realpath "$home"); return 0; fi
    done
}

# Hive 3.1 and Trino 368 run on 17 and not on much later; Trino 476 wants 24 or later.
jdk_for_metastore() { java_home_for 17 17; }
jdk_for_trino() { if [ "$1" -ge 447 ]; then JAVA25_HOME=${JAVA25_HOME:-} java_home_for 24 99; else java_home_for 17 17; fi; }
