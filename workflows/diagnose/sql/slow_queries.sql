-- How many queries the coordinator remembers, how many of them were slow, and which was the slowest. No query at all is no evidence.
SELECT
    count(*) AS remembered,
    count_if(run_ms > {{ params.slow_ms }}) AS slow,
    max(run_ms) AS longest_ms,
    max_by(query_id, run_ms) AS slowest,
    max_by(state, run_ms) AS its_state,
    max_by(substr(query, 1, 200), run_ms) AS its_statement
FROM (
    SELECT query_id, state, query, date_diff('millisecond', created, coalesce("end", current_timestamp)) - queued_time_ms AS run_ms
    FROM system.runtime.queries
    WHERE source IS NULL OR source NOT LIKE 'flowctl/{{ run.id }}/%'
)
HAVING count(*) > 0
