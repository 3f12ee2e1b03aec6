-- This run's own queries of the concurrent part, as the coordinator remembers them: how many, how long, how long queued.
SELECT
    state,
    count(*) AS queries,
    min(date_diff('millisecond', created, "end")) AS shortest_ms,
    max(date_diff('millisecond', created, "end")) AS longest_ms,
    max(queued_time_ms) AS longest_queued_ms
FROM system.runtime.queries
WHERE source LIKE 'flowctl/{{ run.id }}/concurrent%'
GROUP BY state
