-- What campaign totals hold beyond the leaves, where it differs from what is stored, as things will be once this batch
-- is applied. Leaves are read far oftener than totals, so a remainder is only taken
--   when the day's totals were read;
--   when a closed day's leaves were read: its totals hardly move, and a remainder older than its leaves counts twice;
--   when a day's leaves were read for the first time: until then the whole total was the remainder.
-- In between an open day's leaves run ahead and the remainder stays.
-- Of a connection with a new margin (remargined) every day's profit is taken anew: from totals and leaves where they still
-- are what the remainder was taken of, otherwise from the remainder itself (at_new_margin), which is right but for roundings.
WITH read_days AS (
    SELECT connection_id, date FROM total_coverage
    UNION
    SELECT connection_id, date FROM leaf_coverage WHERE closed
    UNION
    SELECT connection_id, date FROM leaf_coverage ANTI JOIN metric_facts USING (connection_id, date)
), days AS (
    SELECT * FROM read_days
    UNION
    SELECT connection_id, date FROM platform_totals SEMI JOIN remargined USING (connection_id)
), totals AS (
    SELECT * EXCLUDE (external_id, first_seen_at, changed_at, run_id)
    FROM platform_totals
    SEMI JOIN days USING (connection_id, date)
    ANTI JOIN totals_next USING (connection_id, level, external_id, date)
    WHERE level = 'campaign'
    UNION ALL BY NAME
    SELECT * EXCLUDE (external_id, inserted, changed, cause)
    FROM totals_next
    SEMI JOIN days USING (connection_id, date)
    WHERE level = 'campaign'
), leaves AS (
    SELECT * EXCLUDE (external_id, first_seen_at, changed_at, run_id)
    FROM metric_facts
    SEMI JOIN days USING (connection_id, date)
    ANTI JOIN facts_next USING (connection_id, level, external_id, date)
    UNION ALL BY NAME
    SELECT * EXCLUDE (external_id, inserted, changed, cause)
    FROM facts_next
    SEMI JOIN days USING (connection_id, date)
), sums AS (
    SELECT
        connection_id, campaign_id, date,
        sum(impressions) AS impressions, sum(clicks) AS clicks, sum(spend) AS spend, sum(conversions) AS conversions,
        sum(revenue) AS revenue, sum(leads) AS leads, sum(installs) AS installs, sum(purchases) AS purchases,
        sum(visitors) AS visitors, sum(profit) AS profit
    FROM leaves
    GROUP BY connection_id, campaign_id, date
), remainder AS (
    SELECT
        t.connection_id, t.campaign_id, t.date,
        (t.impressions - coalesce(s.impressions, 0))::BIGINT AS impressions,
        (t.clicks - coalesce(s.clicks, 0))::BIGINT AS clicks,
        (t.spend - coalesce(s.spend, 0))::BIGINT AS spend,
        (t.conversions - coalesce(s.conversions, 0))::BIGINT AS conversions,
        (t.revenue - coalesce(s.revenue, 0))::BIGINT AS revenue,
        (t.leads - coalesce(s.leads, 0))::BIGINT AS leads,
        (t.installs - coalesce(s.installs, 0))::BIGINT AS installs,
        (t.purchases - coalesce(s.purchases, 0))::BIGINT AS purchases,
        (t.visitors - coalesce(s.visitors, 0))::BIGINT AS visitors,
        (t.profit - coalesce(s.profit, 0))::BIGINT AS profit
    FROM totals t
    LEFT JOIN sums s USING (connection_id, campaign_id, date)
), untouched AS (
    SELECT
        r.*,
        coalesce(r.impressions, 0) = coalesce(k.impressions, 0) AND coalesce(r.clicks, 0) = coalesce(k.clicks, 0)
        AND coalesce(r.spend, 0) = coalesce(k.spend, 0) AND coalesce(r.conversions, 0) = coalesce(k.conversions, 0)
        AND coalesce(r.revenue, 0) = coalesce(k.revenue, 0) AND coalesce(r.leads, 0) = coalesce(k.leads, 0)
        AND coalesce(r.installs, 0) = coalesce(k.installs, 0) AND coalesce(r.purchases, 0) = coalesce(k.purchases, 0)
        AND coalesce(r.visitors, 0) = coalesce(k.visitors, 0) AS still
    FROM remainder r
    ANTI JOIN read_days USING (connection_id, date)
    LEFT JOIN at_new_margin k USING (connection_id, campaign_id, date)
), wanted AS (
    SELECT r.* FROM remainder r SEMI JOIN read_days USING (connection_id, date)
    UNION ALL BY NAME
    SELECT * EXCLUDE (still) FROM untouched WHERE still
    UNION ALL BY NAME
    SELECT k.* FROM at_new_margin k SEMI JOIN (FROM untouched WHERE NOT still) USING (connection_id, campaign_id, date)
)
SELECT r.*
FROM wanted r
LEFT JOIN unreported u USING (connection_id, campaign_id, date)
WHERE CASE
    -- No row says the same as a row of zeros, so complete campaigns (nearly all) need none.
    WHEN u.campaign_id IS NULL THEN
        r.impressions <> 0 OR r.clicks <> 0 OR r.spend <> 0 OR r.conversions <> 0 OR r.revenue <> 0
        OR r.leads <> 0 OR r.installs <> 0 OR r.purchases <> 0 OR r.visitors <> 0 OR r.profit <> 0
    ELSE
        r.impressions IS DISTINCT FROM u.impressions
        OR r.clicks IS DISTINCT FROM u.clicks
        OR r.spend IS DISTINCT FROM u.spend
        OR r.conversions IS DISTINCT FROM u.conversions
        OR r.revenue IS DISTINCT FROM u.revenue
        OR r.leads IS DISTINCT FROM u.leads
        OR r.installs IS DISTINCT FROM u.installs
        OR r.purchases IS DISTINCT FROM u.purchases
        OR r.visitors IS DISTINCT FROM u.visitors
        OR r.profit IS DISTINCT FROM u.profit
END
ORDER BY r.connection_id, r.date, r.campaign_id
