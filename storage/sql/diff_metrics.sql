-- Rows of {table} that the answers change. coverage: the days the answers speak for, completely; told_days: with those that
-- they speak of in part.
-- A stored row missing from them vanished: it becomes zero (null stays null) if its entity is in confirmed, which the platform said
-- lives when it was asked after these answers, and stays as it is without that proof, because a deleted ad leaves the report with
-- its history. Not so for connections in tell_removed, whose platform goes on to report what is gone: there whatever is missing is
-- zero. No connection is in both.
-- at_new_margin: every stored row of connections whose margin changed; those that nothing else is said of follow it.
WITH said AS (
    SELECT * EXCLUDE (ordinal) FROM answer
), stored AS (
    SELECT * EXCLUDE (first_seen_at, changed_at, run_id)
    FROM {table}
    SEMI JOIN (SELECT connection_id, date FROM told_days UNION SELECT connection_id, date FROM at_new_margin) USING (connection_id, date)
), absent AS (
    SELECT *
    FROM stored
    SEMI JOIN coverage USING (connection_id, date)
    ANTI JOIN said USING (connection_id, level, external_id, date)
), vanished AS (
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
        )
    FROM (
        SELECT * FROM absent SEMI JOIN confirmed USING (connection_id, level, external_id)
        UNION ALL
        SELECT * FROM absent SEMI JOIN tell_removed USING (connection_id)
    )
), wanted AS (
    SELECT *, 'said' AS origin FROM said
    UNION ALL BY NAME
    SELECT *, 'vanished' AS origin FROM vanished
    UNION ALL BY NAME
    SELECT *, 'kept' AS origin
    FROM at_new_margin
    ANTI JOIN said USING (connection_id, level, external_id, date)
    ANTI JOIN vanished USING (connection_id, level, external_id, date)
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
    * EXCLUDE (moved, origin),
    origin = 'said' AS answered,
    CASE WHEN origin = 'vanished' THEN 'vanished' WHEN changed = 512 AND NOT inserted THEN 'margin' ELSE 'platform' END AS cause
FROM compared
WHERE inserted OR moved OR changed <> 0
ORDER BY connection_id, date, level, external_id
