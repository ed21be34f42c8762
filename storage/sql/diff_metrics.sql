-- Rows of {table} that the answers change. coverage: the days the answers speak for, completely.
-- A stored row missing from them vanished: it becomes zero (null stays null) while its entity lives, and stays as it is
-- when the entity is gone or unknown, because a deleted ad leaves the report with its history.
WITH said AS (
    SELECT * EXCLUDE (ordinal) FROM answer
), stored AS (
    SELECT * EXCLUDE (first_seen_at, changed_at, run_id)
    FROM {table}
    SEMI JOIN coverage USING (connection_id, date)
), wanted AS (
    SELECT *, false AS vanished
    FROM said
    UNION ALL BY NAME
    SELECT
        * REPLACE (
            impressions * 0 AS impressions,
            clicks * 0 AS clicks,
            spend * 0 AS spend,
            conversions * 0 AS conversions,
            revenue * 0 AS revenue,
            leads * 0 AS leads,
            installs * 0 AS installs,
            purchases * 0 AS purchases,
            visitors * 0 AS visitors,
            profit * 0 AS profit
        ),
        true AS vanished
    FROM stored
    ANTI JOIN said USING (connection_id, level, external_id, date)
    SEMI JOIN alive USING (connection_id, level, external_id)
), compared AS (
    SELECT
        w.*,
        s.external_id IS NULL AS inserted,
        w.campaign_id IS DISTINCT FROM s.campaign_id AS moved,
        (w.impressions IS DISTINCT FROM s.impressions)::INTEGER
        + 2 * (w.clicks IS DISTINCT FROM s.clicks)::INTEGER
        + 4 * (w.spend IS DISTINCT FROM s.spend)::INTEGER
        + 8 * (w.conversions IS DISTINCT FROM s.conversions)::INTEGER
        + 16 * (w.revenue IS DISTINCT FROM s.revenue)::INTEGER
        + 32 * (w.leads IS DISTINCT FROM s.leads)::INTEGER
        + 64 * (w.installs IS DISTINCT FROM s.installs)::INTEGER
        + 128 * (w.purchases IS DISTINCT FROM s.purchases)::INTEGER
        + 256 * (w.visitors IS DISTINCT FROM s.visitors)::INTEGER
        + 512 * (w.profit IS DISTINCT FROM s.profit)::INTEGER AS changed
    FROM wanted w
    LEFT JOIN stored s USING (connection_id, level, external_id, date)
)
SELECT
    * EXCLUDE (moved, vanished),
    CASE WHEN vanished THEN 'vanished' WHEN changed = 512 AND NOT inserted THEN 'margin' ELSE 'platform' END AS cause
FROM compared
WHERE inserted OR moved OR changed <> 0
ORDER BY connection_id, date, level, external_id
