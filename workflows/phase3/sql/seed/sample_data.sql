-- The document takes sample_data for granted (from Phase 2) and never says what is in it. Its queries need: an id that
-- processed_data refers to, a name, a value, and times that reach from now back beyond 30 days.
-- Times are relative to now because the queries are: rows of a month ago would make `INTERVAL '1' DAY` an empty result.
-- value is a decimal: a sum of doubles depends on the order in which the workers' parts come in, and then each run of the
-- benchmark has another result, of which nobody can say whether it is right.
-- sequence() has at most 10000 entries, so two are crossed.
CREATE TABLE IF NOT EXISTS sample_data
COMMENT '{{ params.mark }}'
AS
SELECT
    id,
    'name_' || CAST(id % 50 AS varchar) AS name,
    CAST(CAST(id * 7919 % 100000 AS decimal(12, 2)) / 100 AS decimal(12, 2)) AS value,
    CAST(current_timestamp - (id * 7919 % 57600) * INTERVAL '1' MINUTE AS timestamp(6) with time zone) AS created_at
FROM (
    SELECT a * 10000 + b AS id
    FROM UNNEST(sequence(0, ({{ params.sample_rows }} - 1) / 10000)) AS x (a)
    CROSS JOIN UNNEST(sequence(1, 10000)) AS y (b)
)
WHERE id <= {{ params.sample_rows }}
