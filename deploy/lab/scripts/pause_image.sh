#!/usr/bin/env bash
# The image of a pod's sandbox: one static program, compiled here.
. "$(dirname "${BASH_SOURCE[0]}")/artifact.sh"

build() {
    local out=$1
    mkdir "$out/layer"
    cc -Os -static -s -o "$out/layer/pause" "$LAB_SOURCE/native/pause.c"
    python3 "$LAB_SOURCE/build/oci_image.py" "$out/image.tar" "localhost/flowctl-lab/pause:$PAUSE_VERSION" '{"Entrypoint":["/pause"],"Env":["PATH=/"]}' "$out/layer"
}

make_artifact "image-pause-$PAUSE_VERSION-$(recipe_of "${BASH_SOURCE[0]}" "$LAB_SOURCE/native/pause.c" "$LAB_SOURCE/build/oci_image.py")" build
link_program image-pause "$ARTIFACT"
