# Sourced: fetches artifacts from Maven Central through mvn into the lab's own repository, each held to maven.sha256.
. "$(dirname "${BASH_SOURCE[0]}")/artifact.sh"

MAVEN_REPOSITORY=$FLOWCTL_LAB/maven/repository

# maven_path GROUP:NAME:VERSION[:TYPE[:CLASSIFIER]]: where the artifact lies in a repository.
maven_path() {
    local group name version type classifier
    IFS=: read -r group name version type classifier <<<"$1"
    echo "${group//.//}/$name/$version/$name-$version${classifier:+-$classifier}.${type:-jar}"
}

# maven_get COORDINATES…: prints nothing but progress; the files are in $MAVEN_REPOSITORY afterwards.
maven_get() {
    local coordinates path sum
    for coordinates in "$@"; do
        path=$(maven_path "$coordinates")
        sum=$(awk -v path="$path" '$2 == path { print $1 }' "$LAB_SOURCE/maven.sha256")
        [ -n "$sum" ] || { echo "maven.sha256 does not know $path" >&2; return 1; }
        if ! echo "$sum  $MAVEN_REPOSITORY/$path" | sha256sum --check --status 2>/dev/null; then
            rm -f "$MAVEN_REPOSITORY/$path"
            echo "mvn: fetching $coordinates"
            mvn --quiet --batch-mode --strict-checksums -Dmaven.repo.local="$MAVEN_REPOSITORY" \
                "$MAVEN_DEPENDENCY_PLUGIN:get" -Dartifact="$coordinates" -Dtransitive=false
            echo "$sum  $MAVEN_REPOSITORY/$path" | sha256sum --check --status ||
                { echo "$coordinates is not the file that maven.sha256 names" >&2; rm -f "$MAVEN_REPOSITORY/$path"; return 1; }
        fi
    done
}
