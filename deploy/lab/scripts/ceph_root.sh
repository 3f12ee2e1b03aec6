#!/usr/bin/env bash
# A Debian 13 tree with Ceph 18, unpacked into the cache: apt resolves and verifies, dpkg-deb unpacks, no maintainer script runs.
# The machine's own Debian has Ceph 16, with which the metastore's writes fail.
. "$(dirname "${BASH_SOURCE[0]}")/artifact.sh"

PACKAGES=(base-files base-passwd libc-bin bash coreutils radosgw ceph-mon ceph-osd ceph-base ceph-common)

# The mirror that this machine is set up to use, whatever it is called.
debian_mirror() {
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' |
        awk '$3 == "main" && $2 !~ /-(security|updates|backports)/ && !found++ { print $1 }'
}

unpack() {
    local out=$1 apt=$1/apt mirror package
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || { echo "apt has no Debian archive configured" >&2; return 1; }
    mkdir -p "$apt"/{lists,cache,parts}/partial "$out/root"
    : > "$apt/status"
    echo "deb [signed-by=$DEBIAN_ROOT/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $CEPH_DEBIAN_SUITE main" > "$apt/sources.list"
    own_apt() {
        apt-get -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/parts" -o Dir::Etc::PreferencesParts="$apt/parts" \
            -o Dir::State::Lists="$apt/lists" -o Dir::State::Status="$apt/status" -o Dir::Cache="$apt/cache" \
            -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o Acquire::Retries=3 -o Acquire::Languages=none "$@"
    }
    echo "apt: reading the lists of Debian $CEPH_DEBIAN_SUITE"
    own_apt update
    echo "apt: fetching Ceph and what it needs"
    own_apt install --download-only --yes "${PACKAGES[@]}"
    # base-files first: it holds the links /bin -> usr/bin that the others unpack through.
    echo "unpacking $(find "$apt/cache/archives" -name '*.deb' | wc -l) packages"
    for package in "$apt"/cache/archives/base-files_*.deb "$apt"/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$out/root"
    done
    (cd "$apt/cache/archives" && sha256sum ./*.deb) > "$out/packages.sha256"
    rm -rf "$apt"
    cp "$out/root/usr/share/base-passwd/passwd.master" "$out/root/etc/passwd"
    cp "$out/root/usr/share/base-passwd/group.master" "$out/root/etc/group"
    rm -rf "$out"/root/usr/share/{doc,man,locale}
    # Proof that the tree is whole before it is called complete.
    chroot "$out/root" /usr/bin/radosgw --version
    chroot "$out/root" /usr/bin/ceph-osd --version
    chroot "$out/root" /usr/bin/ceph --version
}

make_artifact "ceph-$CEPH_DEBIAN_SUITE-$(recipe_of "${BASH_SOURCE[0]}")" unpack
link_program ceph-root "$ARTIFACT/root"
