-- 4. Complex analytics
WITH daily_stats AS (
    SELECT
        date(created_at) AS day,
        COUNT(*) AS daily_count,
        AVG(value) AS daily_avg
    FROM sample_data
    WHERE created_at >= current_date - INTERVAL '30' DAY
    GROUP BY date(created_at)
),
moving_avg AS (
    SELECT
        day,
        daily_count,
        daily_avg,
        AVG(daily_avg) OVER (
            ORDER BY day
            ROWS BETWEEN 6 PRECEDING AND CURRENT ROW
        ) AS week_moving_avg
    FROM daily_stats
)
SELECT * FROM moving_avg ORDER BY day
