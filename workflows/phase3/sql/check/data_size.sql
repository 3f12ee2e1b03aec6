-- How many bytes of files stand behind the tables that the benchmark reads.
SELECT sum(bytes), sum(files)
FROM (
    SELECT coalesce(sum(file_size_in_bytes), 0) AS bytes, count(*) AS files FROM "sample_data$files"
    UNION ALL
    SELECT coalesce(sum(file_size_in_bytes), 0), count(*) FROM "processed_data$files"
    UNION ALL
    SELECT coalesce(sum(file_size_in_bytes), 0), count(*) FROM "benchmark_data$files"
) AS tables
