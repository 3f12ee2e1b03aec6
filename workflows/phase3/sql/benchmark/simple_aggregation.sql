-- 1. Simple aggregation
SELECT
    COUNT(*) AS total_records,
    AVG(value) AS avg_value,
    MIN(created_at) AS min_date,
    MAX(created_at) AS max_date
FROM sample_data
