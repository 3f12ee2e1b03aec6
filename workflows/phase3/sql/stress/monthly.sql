-- was: PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY value): "mismatched input '('", on 368 and on 476.
SELECT
    category,
    status,
    date_trunc('month', created_at) AS month,
    count(*) AS record_count,
    avg(value) AS avg_value,
    approx_percentile(value, 0.5) AS median_value
FROM large_dataset
WHERE created_at >= current_timestamp - INTERVAL '90' DAY
GROUP BY category, status, date_trunc('month', created_at)
ORDER BY month, category, status
