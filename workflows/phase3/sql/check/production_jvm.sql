-- What the JVM of each node says of itself: was it started with the production flags, and has it its code cache?
SELECT
    r.node,
    n.coordinator,
    strpos(r.inputarguments, '-XX:+UseStringDeduplication') > 0 AS string_deduplication,
    strpos(r.inputarguments, '-XX:+OptimizeStringConcat') > 0 AS string_concatenation,
    strpos(r.inputarguments, '-XX:+UseCompressedOops') > 0 AS compressed_pointers,
    strpos(r.inputarguments, '-XX:ReservedCodeCacheSize=512M') > 0 AS code_cache,
    strpos(r.inputarguments, '-XX:+UseG1GC') > 0 AS g1,
    strpos(r.inputarguments, '-XX:G1HeapRegionSize=32M') > 0 AS regions_of_32m
FROM jmx.current."java.lang:type=runtime" r
JOIN system.runtime.nodes n ON n.node_id = r.node
WHERE n.state = 'active'
