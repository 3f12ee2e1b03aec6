-- 3. Multi-table join
SELECT
    d.name,
    COUNT(p.id) AS process_count,
    SUM(p.value) AS total_value
FROM sample_data d
JOIN processed_data p ON d.id = p.source_id
WHERE d.created_at >= current_date - INTERVAL '1' DAY
GROUP BY d.name
ORDER BY total_value DESC
