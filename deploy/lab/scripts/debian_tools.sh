#!/usr/bin/env bash
# The Debian programs that the lab needs, unpacked into the cache.
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"

PACKAGES=(
    containerd runc containernetworking-plugins libseccomp2   # pods
    nftables libnftables1 libmnl0 libnftnl11 libjansson4 libedit2 libbsd0 libmd0 libxtables12 libgmp10   # service routing
    busybox-static                                  # the shell of images and probes
    debian-archive-keyring                          # verifies the Debian 13 packages of Ceph
)

unpack() { unpack_packages "$1" "${PACKAGES[@]}"; }

make_artifact "debian-tools-$(recipe_of "${BASH_SOURCE[0]}")" unpack
link_program debian-root "$ARTIFACT/root"
