#!/usr/bin/env bash
# The S3 user, whose keys the gateway itself draws, and the buckets. The keys go to files that only root may read, never to a command line.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
umask 077

in_root() { "$LAB_SOURCE/launch/in_ceph_root.sh" "$@"; }
mkdir -p "$SECRETS"
if [ ! -s "$SECRETS/s3-secret-key" ]; then
    in_root radosgw-admin user info --uid "$S3_USER" > "$SECRETS/user.json" 2>/dev/null ||
        in_root radosgw-admin user create --uid "$S3_USER" --display-name "$S3_USER" --caps "usage=read;metadata=read;users=read;buckets=read" > "$SECRETS/user.json"
    for part in access secret; do
        python3 -c 'import json, sys; print(json.load(sys.stdin)["keys"][0][sys.argv[1]], end="")' "${part}_key" < "$SECRETS/user.json" > "$SECRETS/s3-$part-key.new"
        mv -T "$SECRETS/s3-$part-key.new" "$SECRETS/s3-$part-key"
    done
    rm -f "$SECRETS/user.json"
    echo "made the S3 user $S3_USER"
fi

# put BUCKET: prints the HTTP status; creating a bucket that one owns already is no error. The digest is that of an empty body.
put() {
    printf 'user = "%s:%s"\naws-sigv4 = "aws:amz:%s:s3"\n' "$(cat "$SECRETS/s3-access-key")" "$(cat "$SECRETS/s3-secret-key")" "$S3_REGION" |
        curl --silent --show-error --max-time 60 --config - --request PUT --output /dev/null --write-out '%{http_code}' \
            --header "x-amz-content-sha256: $(sha256sum < /dev/null | cut -d' ' -f1)" "http://127.0.0.1:$RGW_PORT/$1"
}
for bucket in $S3_BUCKETS; do
    status=$(put "$bucket")
    [ "$status" = 200 ] || { echo "the gateway answered $status to the creation of bucket $bucket" >&2; exit 1; }
done
echo "S3 is at http://127.0.0.1:$RGW_PORT with buckets $S3_BUCKETS"
