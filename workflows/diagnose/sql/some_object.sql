-- Bucket and key of the newest metadata file of a table.
SELECT
    regexp_extract(file, '^s3[an]?://([^/]+)/', 1) AS bucket,
    regexp_extract(file, '^s3[an]?://[^/]+/(.*)$', 1) AS key
FROM "{{ params.table }}$metadata_log_entries"
ORDER BY timestamp DESC
LIMIT 1
