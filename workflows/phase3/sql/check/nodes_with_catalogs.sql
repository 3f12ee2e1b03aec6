-- How many nodes answer a query of a catalog, and how many are active. (A count of everything asks the catalog for no column, which it refuses.)
SELECT count(node), (SELECT count(*) FROM system.runtime.nodes WHERE state = 'active')
FROM jmx.current."java.lang:type=runtime"
