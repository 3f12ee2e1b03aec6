#!/usr/bin/env bash
# The monitor's own certificate: with it, it may read pods and PrometheusRules (manifests/monitoring.yaml.in) and nothing else.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
umask 077

# A new authority makes a new certificate.
if [ -s "$PKI/monitor.crt" ] && openssl verify -CAfile "$PKI/ca.crt" "$PKI/monitor.crt" > /dev/null 2>&1; then
    echo "certificate of the monitor: cached"
    exit 0
fi
cd "$PKI"
rm -f monitor.*
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=flowctl-lab:monitor -keyout monitor.key -out monitor.csr 2>/dev/null
printf '%s\n' basicConstraints=CA:FALSE keyUsage=digitalSignature extendedKeyUsage=clientAuth > monitor.ext
openssl x509 -req -in monitor.csr -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" -days 3650 -extfile monitor.ext -out monitor.crt.new 2>/dev/null
mv -T monitor.crt.new monitor.crt
rm -f monitor.csr monitor.ext
echo "certificate of the monitor: made"
