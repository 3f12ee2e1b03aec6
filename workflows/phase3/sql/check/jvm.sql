-- What the JVM of each node says of itself: was it started with the settings, and how much heap has it got?
-- A configuration file proves only what was meant.
SELECT
    r.node,
    n.coordinator,
    strpos(r.inputarguments, '-XX:+UseG1GC') > 0 AS g1,
    strpos(r.inputarguments, '-XX:G1HeapRegionSize=32M') > 0 AS regions_of_32m,
    strpos(r.inputarguments, '-Xmx' || IF(n.coordinator, '{{ params.coordinator_heap }}', '{{ params.worker_heap }}')) > 0 AS heap
FROM jmx.current."java.lang:type=runtime" r
JOIN system.runtime.nodes n ON n.node_id = r.node
WHERE n.state = 'active'
