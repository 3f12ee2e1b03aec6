-- was: FROM UNNEST(sequence(1, 1000000)). sequence() gives at most 10000 entries: INVALID_FUNCTION_ARGUMENT on 476.
-- was: random() for value and created_at. A comparison needs the same rows each time, so both follow from the id.
-- was: no partitions. Then there is one file or a few, and nothing of it can be left out, whatever the predicate.
-- was: no format. 368 then writes ORC, 476 Parquet; and twenty writers of ORC at once need more than a heap of 1G.
CREATE TABLE IF NOT EXISTS large_dataset
COMMENT '{{ params.mark }}'
WITH (format = 'PARQUET', partitioning = ARRAY['category'])
AS
SELECT
    id,
    'category_' || CAST(id % 20 AS varchar) AS category,
    'status_' || CAST(id % 5 AS varchar) AS status,
    CAST(id * 7919 % 1000000 AS double) / 100 AS value,
    CAST(current_timestamp - (id * 7919 % 525600) * INTERVAL '1' MINUTE AS timestamp(6) with time zone) AS created_at
FROM (
    SELECT a * 10000 + b AS id
    FROM UNNEST(sequence(0, ({{ params.large_rows }} - 1) / 10000)) AS x (a)
    CROSS JOIN UNNEST(sequence(1, 10000)) AS y (b)
)
WHERE id <= {{ params.large_rows }}
