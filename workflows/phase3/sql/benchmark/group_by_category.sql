-- The query that the document times by hand over benchmark_data.
SELECT category, COUNT(*), AVG(value)
FROM benchmark_data
GROUP BY category
