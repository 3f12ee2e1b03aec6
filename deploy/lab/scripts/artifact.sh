# Sourced by the scripts that download or build: a folder under artifacts/ is either complete or not there.
# The name of an artifact holds its version and a digest of its recipe, so a changed recipe builds anew.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# recipe_of FILE-OR-TEXT…: twelve hex digits over the contents of the files and over the other words.
recipe_of() {
    local word
    for word in "$@"; do
        if [ -f "$word" ]; then cat "$word"; else printf '%s\n' "$word"; fi
    done | sha256sum | cut -c1-12
}

# make_artifact NAME BUILDER: prints the path on the last line; BUILDER gets an empty folder and fills it.
# A kill at any point leaves NAME.partial, which the next try deletes. The lock keeps two lab runs from building the same thing.
make_artifact() {
    local folder=$ARTIFACTS/$1 builder=$2
    ARTIFACT=$folder
    [ -d "$folder" ] && { echo "${1}: cached"; return 0; }
    mkdir -p "$ARTIFACTS/.locks"
    exec {artifact_lock}>"$ARTIFACTS/.locks/$1"
    flock "$artifact_lock"
    if [ ! -d "$folder" ]; then
        rm -rf "$folder.partial"
        mkdir -p "$folder.partial"
        "$builder" "$folder.partial"
        mv -T "$folder.partial" "$folder"
        echo "${1}: done in $SECONDS s"
    fi
    exec {artifact_lock}>&-
}

# link_program NAME TARGET: bin/NAME points at TARGET from one moment to the next, never at nothing.
link_program() {
    mkdir -p "$BIN"
    [ "$(readlink "$BIN/$1" || true)" = "$2" ] && return 0
    ln -sfn "$2" "$BIN/$1.new"
    mv -T "$BIN/$1.new" "$BIN/$1"
}
