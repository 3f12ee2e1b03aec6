#!/usr/bin/env bash
# The metastore's data (a copy of the empty schema) and its configuration, which holds the S3 keys and so is root's alone.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
umask 077

METASTORE_DATA=$STATE/metastore
WAREHOUSE_BUCKET=${S3_BUCKETS%% *}
S3_ACCESS_KEY=$(cat "$SECRETS/s3-access-key")
S3_SECRET_KEY=$(cat "$SECRETS/s3-secret-key")
mkdir -p "$METASTORE_DATA/conf"
if [ ! -d "$METASTORE_DATA/metastore_db" ]; then
    rm -rf "$METASTORE_DATA/metastore_db.partial"
    cp -r "$BIN/hive-metastore/schema/metastore_db" "$METASTORE_DATA/metastore_db.partial"
    mv -T "$METASTORE_DATA/metastore_db.partial" "$METASTORE_DATA/metastore_db"
fi
text=$(<"$LAB_SOURCE/config/metastore-site.xml.in")
for name in BRIDGE_ADDRESS METASTORE_PORT METASTORE_DATA WAREHOUSE_BUCKET RGW_PORT S3_ACCESS_KEY S3_SECRET_KEY; do text=${text//@$name@/${!name}}; done
# Hadoop's file system reads the same settings under another file name.
for file in metastore-site.xml core-site.xml; do
    printf '%s\n' "$text" > "$METASTORE_DATA/conf/$file.new"
    mv -T "$METASTORE_DATA/conf/$file.new" "$METASTORE_DATA/conf/$file"
done
echo "the metastore is configured"
