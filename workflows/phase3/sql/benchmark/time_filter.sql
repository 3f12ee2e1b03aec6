-- 2. Time-based filtering
SELECT
    date_trunc('hour', created_at) AS hour,
    COUNT(*) AS record_count,
    AVG(value) AS avg_value
FROM sample_data
WHERE created_at >= current_timestamp - INTERVAL '7' DAY
GROUP BY date_trunc('hour', created_at)
ORDER BY hour
