-- was: FROM UNNEST(sequence(1, 100000)). sequence() gives at most 10000 entries: INVALID_FUNCTION_ARGUMENT on 476.
-- was: current_timestamp as it is. Its three digits are refused up to 428 ("Timestamp precision (3) not supported for
-- Iceberg"), and silently widened after that; the cast says what is stored.
CREATE TABLE IF NOT EXISTS benchmark_data
COMMENT '{{ params.mark }}'
AS
SELECT
    id,
    id % 100 AS category,
    random() * 1000 AS value,
    CAST(current_timestamp - (random() * 30) * INTERVAL '1' DAY AS timestamp(6) with time zone) AS created_at
FROM (
    SELECT a * 10000 + b AS id
    FROM UNNEST(sequence(0, ({{ params.benchmark_rows }} - 1) / 10000)) AS x (a)
    CROSS JOIN UNNEST(sequence(1, 10000)) AS y (b)
)
WHERE id <= {{ params.benchmark_rows }}
