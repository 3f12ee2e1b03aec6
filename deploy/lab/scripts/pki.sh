#!/usr/bin/env bash
# The cluster's own authorities, one certificate for each component, and their kubeconfigs. Keys are readable by root only.
. "$(dirname "${BASH_SOURCE[0]}")/artifact.sh"
umask 077

RECIPE=$(recipe_of "${BASH_SOURCE[0]}" "$API_PORT $POD_CIDR $SERVICE_CIDR")
if [ "$(cat "$PKI/recipe" 2>/dev/null || true)" = "$RECIPE" ] && [ -s "$KUBECONFIG" ]; then
    echo "certificates: cached"
    exit 0
fi
WORK=$PKI.partial
rm -rf "$WORK"
mkdir -p "$WORK"
cd "$WORK"

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$2" -keyout "$1.key" -out "$1.crt" 2>/dev/null
}

# certificate NAME AUTHORITY SUBJECT USAGE [NAMES]
certificate() {
    local name=$1 authority=$2 subject=$3 usage=$4 names=${5:-}
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$subject" -keyout "$name.key" -out "$name.csr" 2>/dev/null
    {
        echo "basicConstraints=CA:FALSE"
        echo "keyUsage=digitalSignature"
        echo "extendedKeyUsage=$usage"
        [ -z "$names" ] || echo "subjectAltName=$names"
    } > "$name.ext"
    openssl x509 -req -in "$name.csr" -CA "$authority.crt" -CAkey "$authority.key" -CAcreateserial -days 3650 -extfile "$name.ext" -out "$name.crt" 2>/dev/null
    rm -f "$name.csr" "$name.ext"
}

# kubeconfig NAME FILE: a client of the API server with the certificate NAME
kubeconfig() {
    cat > "$2" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://127.0.0.1:$API_PORT", certificate-authority-data: $(base64 -w0 < ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 < "$1.crt"), client-key-data: $(base64 -w0 < "$1.key")}}]
contexts: [{name: lab, context: {cluster: lab, user: $1}}]
current-context: lab
YAML
}

authority ca flowctl-lab
authority front-proxy-ca flowctl-lab-front-proxy
openssl genrsa -out service-accounts.key 2048 2>/dev/null
openssl rsa -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null
certificate apiserver ca /CN=kube-apiserver serverAuth "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:$API_SERVICE_ADDRESS,IP:$BRIDGE_ADDRESS"
certificate apiserver-kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
certificate front-proxy-client front-proxy-ca /CN=front-proxy-client clientAuth
certificate kubelet ca "/O=system:nodes/CN=system:node:$NODE" clientAuth,serverAuth "DNS:localhost,IP:127.0.0.1"
certificate metrics-server ca /CN=flowctl-lab:metrics-server clientAuth,serverAuth "DNS:localhost,DNS:metrics-server.kube-system.svc,IP:127.0.0.1"
certificate controller-manager ca /CN=system:kube-controller-manager clientAuth
certificate scheduler ca /CN=system:kube-scheduler clientAuth
certificate kube-proxy ca /CN=system:kube-proxy clientAuth
certificate coredns ca /CN=flowctl-lab:coredns clientAuth
# Flux applies what its releases say, so it may do everything; its own name keeps it apart in the audit log.
certificate flux ca /O=system:masters/CN=flowctl-lab:flux clientAuth
certificate admin ca /O=system:masters/CN=admin clientAuth
for client in controller-manager scheduler kubelet kube-proxy coredns metrics-server flux; do kubeconfig "$client" "$client.kubeconfig"; done
kubeconfig admin admin.kubeconfig
echo "$RECIPE" > recipe

rm -rf "$PKI"
mv -T "$WORK" "$PKI"
cp "$PKI/admin.kubeconfig" "$KUBECONFIG.new"
mv -T "$KUBECONFIG.new" "$KUBECONFIG"
echo "certificates: made"
