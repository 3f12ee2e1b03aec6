#!/usr/bin/env bash
# go_build.sh kubernetes|etcd|coredns|metrics-server|flux|monitor
# Builds one of build/*/ from the Go module proxy. go.sum pins every module; nothing in the checkout is written.
# The monitor is this project's own, of the standard library alone; its tests run before it is built.
. "$(dirname "${BASH_SOURCE[0]}")/artifact.sh"

NAME=$1
MODULE=$LAB_SOURCE/build/$NAME
[ -f "$MODULE/go.mod" ] || { echo "no such build: $NAME" >&2; exit 2; }

export GOMODCACHE=$FLOWCTL_LAB/go/mod GOCACHE=$FLOWCTL_LAB/go/build
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false -trimpath"

version_of() { awk -v module="$1" '$1 == module && $2 ~ /^v/ { print $2; exit } $1 == "require" && $2 == module { print $3; exit }' "$MODULE/go.mod"; }

case $NAME in
    kubernetes)
        VERSION=$(version_of k8s.io/kubernetes)
        [ "$VERSION" = "$KUBERNETES_VERSION" ] || { echo "versions.env says $KUBERNETES_VERSION, go.mod says $VERSION" >&2; exit 2; }
        PACKAGES=(.=hyperkube)
        PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
        # Without these the components call themselves v0.0.0 and refuse to talk to each other.
        STAMP=k8s.io/component-base/version
        MINOR=${VERSION#v1.}
        LDFLAGS="-s -w -X $STAMP.gitVersion=$VERSION -X $STAMP.gitMajor=1 -X $STAMP.gitMinor=${MINOR%%.*} -X $STAMP.gitTreeState=clean -X $STAMP.gitCommit=0000000000000000000000000000000000000000 -X $STAMP.buildDate=1970-01-01T00:00:00Z"
        ;;
    etcd)
        VERSION=$(version_of go.etcd.io/etcd/server/v3) PACKAGES=(.=etcd) PROGRAMS=(etcd) LDFLAGS="-s -w" ;;
    coredns)
        VERSION=$(version_of github.com/coredns/coredns) PACKAGES=(.=coredns) PROGRAMS=(coredns) LDFLAGS="-s -w" ;;
    metrics-server)
        VERSION=$(version_of sigs.k8s.io/metrics-server) PACKAGES=(sigs.k8s.io/metrics-server/cmd/metrics-server=metrics-server)
        PROGRAMS=(metrics-server) LDFLAGS="-s -w" ;;
    flux)
        VERSION=$(version_of github.com/fluxcd/helm-controller) LDFLAGS="-s -w"
        PACKAGES=(github.com/fluxcd/source-controller=source-controller github.com/fluxcd/helm-controller=helm-controller)
        PROGRAMS=(source-controller helm-controller) ;;
    monitor) VERSION=1 PACKAGES=(.=monitor) PROGRAMS=(monitor) LDFLAGS="-s -w" ;;
esac
[ -n "$VERSION" ] || { echo "$MODULE/go.mod does not name the version of $NAME" >&2; exit 2; }

# Prints what the compiler is at, because the first build takes minutes and must not look dead.
build() {
    local out=$1 entry package program count=0
    cd "$MODULE"
    echo "$NAME $VERSION: fetching modules"
    go mod download
    [ "$NAME" != monitor ] || go test ./...
    for entry in "${PACKAGES[@]}"; do
        package=${entry%%=*} program=${entry##*=}
        go build -v -p "$(nproc)" -ldflags "$LDFLAGS" -o "$out/$program" "$package" 2>&1 | while IFS= read -r line; do
            count=$((count + 1))
            case $line in
                # A compiler's complaint is not a package path: show it as it is.
                *" "*|"#"*|*:*) echo "$line" >&2 ;;
                *) [ $((count % 25)) -ne 0 ] || echo "$NAME $VERSION: $count packages, now $line" ;;
            esac
        done
    done
    # The controllers' own custom resource definitions belong to the version that was built.
    if [ "$NAME" = flux ]; then
        mkdir -p "$out/crds"
        for program in source-controller helm-controller; do
            cp --no-preserve=mode "$GOMODCACHE/github.com/fluxcd/$program@$(version_of "github.com/fluxcd/$program")"/config/crd/bases/*.yaml "$out/crds/"
        done
    fi
}

# A module without sources of its own must not put a pattern, and with it the checkout's place, into the recipe.
shopt -s nullglob
make_artifact "$NAME-$VERSION-$(recipe_of "$MODULE"/go.* "$MODULE"/*.go "$LDFLAGS" "${PACKAGES[*]}" "$(go env GOVERSION)")" build
for PROGRAM in "${PROGRAMS[@]}"; do
    if [ "$NAME" = kubernetes ]; then link_program "$PROGRAM" "$ARTIFACT/hyperkube"; else link_program "$PROGRAM" "$ARTIFACT/$PROGRAM"; fi
done
[ "$NAME" != flux ] || link_program flux-crds "$ARTIFACT/crds"
