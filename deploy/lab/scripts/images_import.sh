#!/usr/bin/env bash
# images_import.sh NAME…: gives containerd the images that were made here; there is no registry.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

known=$(containers images list | awk '{ print $1, $3 }')
for image in "$@"; do
    name=$(cat "$BIN/image-$image/image.name")
    digest=$(cat "$BIN/image-$image/image.digest")
    if grep -qxF "$name $digest" <<<"$known"; then
        echo "$name is there"
        continue
    fi
    echo "importing $name"
    containers images import "$BIN/image-$image/image.tar" > /dev/null
    grep -qF "$digest" <<<"$(containers images list "name==$name")" || { echo "containerd has not taken $name" >&2; exit 1; }
done
