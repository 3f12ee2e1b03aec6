-- Taken for granted by the document like sample_data: results of a process, each of one row of sample_data.
CREATE TABLE IF NOT EXISTS processed_data
COMMENT '{{ params.mark }}'
AS
SELECT
    id,
    (id - 1) % {{ params.sample_rows }} + 1 AS source_id,
    CAST(CAST(id * 104729 % 10000 AS decimal(12, 2)) / 100 AS decimal(12, 2)) AS value,
    CAST(current_timestamp - (id % 1440) * INTERVAL '1' MINUTE AS timestamp(6) with time zone) AS created_at
FROM (
    SELECT a * 10000 + b AS id
    FROM UNNEST(sequence(0, ({{ params.processed_rows }} - 1) / 10000)) AS x (a)
    CROSS JOIN UNNEST(sequence(1, 10000)) AS y (b)
)
WHERE id <= {{ params.processed_rows }}
