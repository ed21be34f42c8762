-- Leaves whose conversions come split by kind in an answer of their own: each in one row, as both answers have it.
-- A day that an answer speaks for is zero where the answer has no row; what no answer speaks for is as it is stored.
-- Rows that only the answer with the numbers lacks are not made here: they vanished.
WITH base_last AS (
    SELECT * FROM base
    SEMI JOIN (SELECT max(ordinal) AS ordinal FROM base GROUP BY connection_id, level, external_id, date) AS freshest USING (ordinal)
), split_last AS (
    SELECT * FROM split
    SEMI JOIN (SELECT max(ordinal) AS ordinal FROM split GROUP BY connection_id, level, external_id, date) AS freshest USING (ordinal)
), stored AS (
    SELECT *
    FROM metric_facts
    SEMI JOIN (SELECT connection_id, date FROM base_coverage UNION SELECT connection_id, date FROM split_coverage)
        USING (connection_id, date)
), keys AS (
    SELECT connection_id, level, external_id, date FROM base_last
    UNION
    SELECT connection_id, level, external_id, date FROM split_last
    UNION
    SELECT connection_id, level, external_id, date
    FROM stored
    SEMI JOIN split_coverage USING (connection_id, date)
    ANTI JOIN base_coverage USING (connection_id, date)
    WHERE leads <> 0 OR installs <> 0 OR purchases <> 0 OR visitors <> 0
)
SELECT
    k.connection_id,
    k.level,
    k.external_id,
    coalesce(b.campaign_id, p.campaign_id, s.campaign_id) AS campaign_id,
    k.date,
    CASE WHEN bc.date IS NULL THEN coalesce(s.impressions, 0) ELSE coalesce(b.impressions, 0) END AS impressions,
    CASE WHEN bc.date IS NULL THEN coalesce(s.clicks, 0) ELSE coalesce(b.clicks, 0) END AS clicks,
    CASE WHEN bc.date IS NULL THEN coalesce(s.spend, 0) ELSE coalesce(b.spend, 0) END AS spend,
    CASE WHEN bc.date IS NULL THEN coalesce(s.conversions, 0) ELSE coalesce(b.conversions, 0) END AS conversions,
    CASE WHEN bc.date IS NULL THEN coalesce(s.revenue, 0) ELSE coalesce(b.revenue, 0) END AS revenue,
    CASE WHEN pc.date IS NULL THEN coalesce(b.leads, s.leads, 0) ELSE coalesce(p.leads, 0) END AS leads,
    CASE WHEN pc.date IS NULL THEN coalesce(b.installs, s.installs, 0) ELSE coalesce(p.installs, 0) END AS installs,
    CASE WHEN pc.date IS NULL THEN coalesce(b.purchases, s.purchases, 0) ELSE coalesce(p.purchases, 0) END AS purchases,
    CASE WHEN pc.date IS NULL THEN coalesce(b.visitors, s.visitors, 0) ELSE coalesce(p.visitors, 0) END AS visitors,
    0::BIGINT AS profit
FROM keys k
LEFT JOIN base_last b USING (connection_id, level, external_id, date)
LEFT JOIN split_last p USING (connection_id, level, external_id, date)
LEFT JOIN stored s USING (connection_id, level, external_id, date)
LEFT JOIN base_coverage bc USING (connection_id, date)
LEFT JOIN split_coverage pc USING (connection_id, date)
ORDER BY k.connection_id, k.date, k.level, k.external_id
