# Sourced: unpacks packages of this machine's own Debian into the cache. Nothing is installed and no service is started.
# apt verifies the packages against the archive's signatures; it gets its own lists and cache, so the machine's stay as they are.
. "$(dirname "${BASH_SOURCE[0]}")/artifact.sh"

own_apt() {
    local tool=$1; shift
    "$tool" -o Dir::State::Lists="$FLOWCTL_LAB/apt/lists" -o Dir::Cache="$FLOWCTL_LAB/apt/cache" \
        -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::Languages=none "$@"
}

# unpack_packages OUT PACKAGE…: what they hold is in OUT/root afterwards, their digests in OUT/packages.sha256.
unpack_packages() {
    local out=$1 package; shift
    mkdir -p "$FLOWCTL_LAB"/apt/{lists,cache}/partial "$out/archives" "$out/root"
    # Two steps that use the same lists at once would fail on apt's own lock.
    exec {apt_lock}>"$FLOWCTL_LAB/apt/lock"
    flock "$apt_lock"
    echo "apt: reading the package lists"
    own_apt apt-get -qq update
    exec {apt_lock}>&-
    echo "apt: fetching $# packages"
    (cd "$out/archives" && own_apt apt-get -qq download "$@")
    for package in "$out"/archives/*.deb; do dpkg -x "$package" "$out/root"; done
    (cd "$out/archives" && sha256sum ./*.deb) > "$out/packages.sha256"
    rm -rf "$out/archives"
}
