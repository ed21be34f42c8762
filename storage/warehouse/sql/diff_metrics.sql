-- Rows of {{ table }} that the answers change. coverage: the days the answers speak for, completely; told_days: with those that
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
    FROM {{ table }}
    SEMI JOIN (SELECT connection_id, date FROM told_days UNION SELECT connection_id, date FROM at_new_margin) USING (connection_id, date)
), absent AS (
    SELECT *
    FROM stored
    SEMI JOIN coverage USING (connection_id, date)
    ANTI JOIN said USING (connection_id, level, external_id, date)
), vanished AS (
    SELECT
        * REPLACE (
            {{ metrics | each("{name} * 0 AS {name}") }}
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
        {{ metrics | each("{bit} * (w.{name} IS DISTINCT FROM s.{name})::INTEGER", " + ") }} AS changed,
        {{ optional | each("{bit} * (s.{name} IS NULL AND w.{name} IS NOT NULL)::INTEGER", " + ") or 0 }} AS first_read
    FROM wanted w
    LEFT JOIN stored s USING (connection_id, level, external_id, date)
)
SELECT
    * EXCLUDE (moved, origin, first_read),
    origin = 'said' AS answered,
    CASE
        WHEN origin = 'vanished' THEN 'vanished'
        WHEN inserted THEN 'platform'
        WHEN changed = {{ profit.bit }} THEN 'margin'
        WHEN changed = first_read AND changed <> 0 THEN 'first read'
        ELSE 'platform'
    END AS cause
FROM compared
WHERE inserted OR moved OR changed <> 0
ORDER BY connection_id, date, level, external_id
