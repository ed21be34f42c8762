-- The running days of these runs' connections as they are stored now, if they were read today. A later point of the same quarter of an
-- hour takes the place of the one before, and points that nothing is compared with any more are deleted.
CREATE OR REPLACE TEMP TABLE running_days AS
SELECT d.connection_id, d.date, d.fresh_until AS known_at
FROM runs r
JOIN connections c ON c.id = r.connection_id
JOIN read_days d ON d.connection_id = r.connection_id AND d.level = 'leaf' AND d.date = (r.now AT TIME ZONE c.timezone)::DATE;

DELETE FROM intraday_points AS stored
USING running_days AS day
WHERE stored.connection_id = day.connection_id AND (
    stored.date < day.date - 28
    OR time_bucket(INTERVAL 15 MINUTE, stored.known_at) = time_bucket(INTERVAL 15 MINUTE, day.known_at)
);

INSERT INTO intraday_points BY NAME
WITH numbers AS (
    SELECT connection_id, date, level, {{ additive | for_each("{name}", ", ") }}
    FROM metric_facts
    SEMI JOIN running_days USING (connection_id, date)
    UNION ALL
    SELECT connection_id, date, 'unreported', {{ additive | for_each("{name}", ", ") }}
    FROM unreported
    SEMI JOIN running_days USING (connection_id, date)
    UNION ALL
    SELECT connection_id, date, 'unreported', {{ additive | for_each("{name}", ", ") }}
    FROM not_by_campaign
    SEMI JOIN running_days USING (connection_id, date)
)
SELECT
    day.connection_id, day.date, day.known_at,
    {{ additive | for_each("{known_or_zero}::BIGINT AS {name}", ",\n    ") }}
FROM running_days day
LEFT JOIN numbers n USING (connection_id, date)
GROUP BY ALL
ORDER BY connection_id
