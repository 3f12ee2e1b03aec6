-- The document counts the rows of etl_test and never makes it.
CREATE TABLE IF NOT EXISTS etl_test
COMMENT '{{ params.mark }}'
AS
SELECT
    id,
    'name_' || CAST(id AS varchar) AS name,
    CAST(id AS double) AS value,
    CAST(current_timestamp AS timestamp(6) with time zone) AS created_at
FROM UNNEST(sequence(1, {{ params.etl_rows }})) AS t (id)
