#!/usr/bin/env bash
# Unpacks the Debian programs that the lab needs into the cache. Nothing is installed and no service is started.
# apt verifies the packages against the archive's signatures; it gets its own lists and cache, so the machine's stay as they are.
. "$(dirname "${BASH_SOURCE[0]}")/artifact.sh"

PACKAGES=(
    containerd runc containernetworking-plugins libseccomp2   # pods
    nftables libnftables1 libmnl0 libnftnl11 libjansson4 libedit2 libbsd0 libmd0 libxtables12 libgmp10   # service routing
    busybox-static                                  # the shell of images and probes
    debian-archive-keyring                          # verifies the Debian 13 packages of Ceph
)

own_apt() {
    local tool=$1; shift
    "$tool" -o Dir::State::Lists="$FLOWCTL_LAB/apt/lists" -o Dir::Cache="$FLOWCTL_LAB/apt/cache" \
        -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::Languages=none "$@"
}

unpack() {
    local out=$1 package
    mkdir -p "$FLOWCTL_LAB"/apt/{lists,cache}/partial "$out/archives" "$out/root"
    echo "apt: reading the package lists"
    own_apt apt-get -qq update
    echo "apt: fetching ${#PACKAGES[@]} packages"
    (cd "$out/archives" && own_apt apt-get -qq download "${PACKAGES[@]}")
    for package in "$out"/archives/*.deb; do dpkg -x "$package" "$out/root"; done
    (cd "$out/archives" && sha256sum ./*.deb) > "$out/packages.sha256"
    rm -rf "$out/archives"
}

make_artifact "debian-tools-$(recipe_of "${BASH_SOURCE[0]}")" unpack
link_program debian-root "$ARTIFACT/root"
