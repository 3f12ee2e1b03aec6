#!/usr/bin/env bash
# Once everything is built: deletes what only building needed, and artifacts of other versions that no link names and no process uses.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# Ten gigabytes of sources and intermediate objects; go.sum verifies them again if a build is ever repeated.
[ ! -d "$FLOWCTL_LAB/go" ] || echo "deleting sources and objects of the builds"
rm -rf "$FLOWCTL_LAB/go" "$FLOWCTL_LAB/apt/image"

linked=$(for link in "$BIN"/*; do readlink -f "$link"; done)
used=$(for folder in /proc/[0-9]*; do readlink "$folder/exe" "$folder/root"; tr '\0' '\n' < "$folder/cmdline"; done 2>/dev/null || true)
for artifact in "$ARTIFACTS"/*/; do
    artifact=${artifact%/}
    grep -qF "$artifact" <<<"$linked" && continue
    grep -qF "$artifact" <<<"$used" && continue
    rm -rf "$artifact"
    echo "deleted ${artifact##*/}"
done
echo "the cache holds what the lab runs on, and no more"
