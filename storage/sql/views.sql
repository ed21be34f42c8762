-- What people query. Units instead of micros: BIGINT times DECIMAL(7, 6) stays an exact DECIMAL(26, 6) and its
-- sum a DECIMAL(38, 6), where "/ 1000000" would become DOUBLE. Every view carries the currency; none adds two up.

-- What is known of each entity: by a walk, or else by its numbers.
CREATE OR REPLACE VIEW known_entities AS
SELECT
    connection_id,
    level,
    external_id,
    coalesce(e.parent_id, s.parent_id) AS parent_id,
    coalesce(e.name, s.name) AS name,
    e.status
FROM entities e
FULL JOIN seen_names s USING (connection_id, level, external_id);

-- One row per leaf and day, and one per campaign and day for what the platform reports for the campaign but for
-- none of its leaves, so that a campaign's rows add up to the campaign's total.
CREATE OR REPLACE VIEW daily AS
WITH numbers AS (
    SELECT
        connection_id, level, external_id, campaign_id, date,
        impressions, clicks, spend, conversions, revenue, leads, installs, purchases, visitors, profit, changed_at
    FROM metric_facts
    UNION ALL
    SELECT
        connection_id, 'unreported', '', campaign_id, date,
        impressions, clicks, spend, conversions, revenue, leads, installs, purchases, visitors, profit, changed_at
    FROM unreported
    WHERE impressions <> 0 OR clicks <> 0 OR spend <> 0 OR conversions <> 0 OR revenue <> 0
        OR leads <> 0 OR installs <> 0 OR purchases <> 0 OR visitors <> 0 OR profit <> 0
)
SELECT
    n.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    n.date,
    n.level,
    n.external_id,
    CASE WHEN n.level = 'unreported' THEN 'not reported at ad level' ELSE leaf.name END AS name,
    leaf.status,
    CASE WHEN n.level = 'asset_group' THEN NULL ELSE leaf.parent_id END AS ad_set_id,
    ad_set.name AS ad_set,
    n.campaign_id,
    campaign.name AS campaign,
    n.impressions,
    n.clicks,
    n.spend * 0.000001::DECIMAL(7, 6) AS spend,
    n.conversions * 0.000001::DECIMAL(7, 6) AS conversions,
    n.revenue * 0.000001::DECIMAL(7, 6) AS revenue,
    n.leads * 0.000001::DECIMAL(7, 6) AS leads,
    n.installs * 0.000001::DECIMAL(7, 6) AS installs,
    n.purchases * 0.000001::DECIMAL(7, 6) AS purchases,
    n.visitors * 0.000001::DECIMAL(7, 6) AS visitors,
    n.profit * 0.000001::DECIMAL(7, 6) AS profit,
    n.changed_at
FROM numbers n
LEFT JOIN connections c ON c.id = n.connection_id
LEFT JOIN known_entities leaf
    ON leaf.connection_id = n.connection_id AND leaf.level = n.level AND leaf.external_id = n.external_id
LEFT JOIN known_entities ad_set
    ON ad_set.connection_id = n.connection_id AND ad_set.level IN ('adset', 'ad_group') AND ad_set.external_id = leaf.parent_id
LEFT JOIN known_entities campaign
    ON campaign.connection_id = n.connection_id AND campaign.level = 'campaign' AND campaign.external_id = n.campaign_id;

-- How a day's running total grew: one row per instant at which any leaf of that day changed.
CREATE OR REPLACE VIEW intraday AS
WITH steps AS (
    SELECT
        connection_id, date, changed_at,
        impressions - coalesce(lag(impressions) OVER earlier, 0) AS impressions,
        clicks - coalesce(lag(clicks) OVER earlier, 0) AS clicks,
        (spend - coalesce(lag(spend) OVER earlier, 0)) * 0.000001::DECIMAL(7, 6) AS spend,
        (conversions - coalesce(lag(conversions) OVER earlier, 0)) * 0.000001::DECIMAL(7, 6) AS conversions,
        (revenue - coalesce(lag(revenue) OVER earlier, 0)) * 0.000001::DECIMAL(7, 6) AS revenue,
        (leads - coalesce(lag(leads) OVER earlier, 0)) * 0.000001::DECIMAL(7, 6) AS leads,
        (installs - coalesce(lag(installs) OVER earlier, 0)) * 0.000001::DECIMAL(7, 6) AS installs,
        (purchases - coalesce(lag(purchases) OVER earlier, 0)) * 0.000001::DECIMAL(7, 6) AS purchases,
        (visitors - coalesce(lag(visitors) OVER earlier, 0)) * 0.000001::DECIMAL(7, 6) AS visitors,
        (profit - coalesce(lag(profit) OVER earlier, 0)) * 0.000001::DECIMAL(7, 6) AS profit
    FROM metric_changes
    WINDOW earlier AS (PARTITION BY connection_id, level, external_id, date ORDER BY changed_at, generation)
), instants AS (
    SELECT
        connection_id, date, changed_at,
        sum(impressions) AS impressions, sum(clicks) AS clicks, sum(spend) AS spend, sum(conversions) AS conversions,
        sum(revenue) AS revenue, sum(leads) AS leads, sum(installs) AS installs, sum(purchases) AS purchases,
        sum(visitors) AS visitors, sum(profit) AS profit
    FROM steps
    GROUP BY connection_id, date, changed_at
)
SELECT
    i.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    i.date,
    i.changed_at,
    (sum(i.impressions) OVER so_far)::BIGINT AS impressions,
    (sum(i.clicks) OVER so_far)::BIGINT AS clicks,
    sum(i.spend) OVER so_far AS spend,
    sum(i.conversions) OVER so_far AS conversions,
    sum(i.revenue) OVER so_far AS revenue,
    sum(i.leads) OVER so_far AS leads,
    sum(i.installs) OVER so_far AS installs,
    sum(i.purchases) OVER so_far AS purchases,
    sum(i.visitors) OVER so_far AS visitors,
    sum(i.profit) OVER so_far AS profit
FROM instants i
LEFT JOIN connections c ON c.id = i.connection_id
WINDOW so_far AS (PARTITION BY i.connection_id, i.date ORDER BY i.changed_at);

-- Every metric of a leaf's day that was stored and then changed: from what, to what, and how many of the account's
-- days later. A leaf's first numbers of a day restate nothing and are not here.
CREATE OR REPLACE VIEW restatements AS
WITH steps AS (
    SELECT
        *,
        lag(generation) OVER earlier IS NOT NULL AS restated,
        lag(impressions) OVER earlier AS old_impressions,
        lag(clicks) OVER earlier AS old_clicks,
        lag(spend) OVER earlier AS old_spend,
        lag(conversions) OVER earlier AS old_conversions,
        lag(revenue) OVER earlier AS old_revenue,
        lag(leads) OVER earlier AS old_leads,
        lag(installs) OVER earlier AS old_installs,
        lag(purchases) OVER earlier AS old_purchases,
        lag(visitors) OVER earlier AS old_visitors,
        lag(profit) OVER earlier AS old_profit
    FROM metric_changes
    WINDOW earlier AS (PARTITION BY connection_id, level, external_id, date ORDER BY changed_at, generation)
), metrics (metric, bit, unit) AS (
    VALUES
        ('impressions', 1, 1::DECIMAL(7, 6)),
        ('clicks', 2, 1::DECIMAL(7, 6)),
        ('spend', 4, 0.000001::DECIMAL(7, 6)),
        ('conversions', 8, 0.000001::DECIMAL(7, 6)),
        ('revenue', 16, 0.000001::DECIMAL(7, 6)),
        ('leads', 32, 0.000001::DECIMAL(7, 6)),
        ('installs', 64, 0.000001::DECIMAL(7, 6)),
        ('purchases', 128, 0.000001::DECIMAL(7, 6)),
        ('visitors', 256, 0.000001::DECIMAL(7, 6)),
        ('profit', 512, 0.000001::DECIMAL(7, 6))
), moved AS (
    SELECT
        s.connection_id, s.level, s.external_id, s.campaign_id, s.date, s.changed_at, s.cause, m.metric, m.bit, m.unit,
        CASE m.metric
            WHEN 'impressions' THEN s.old_impressions
            WHEN 'clicks' THEN s.old_clicks
            WHEN 'spend' THEN s.old_spend
            WHEN 'conversions' THEN s.old_conversions
            WHEN 'revenue' THEN s.old_revenue
            WHEN 'leads' THEN s.old_leads
            WHEN 'installs' THEN s.old_installs
            WHEN 'purchases' THEN s.old_purchases
            WHEN 'visitors' THEN s.old_visitors
            ELSE s.old_profit
        END AS old,
        CASE m.metric
            WHEN 'impressions' THEN s.impressions
            WHEN 'clicks' THEN s.clicks
            WHEN 'spend' THEN s.spend
            WHEN 'conversions' THEN s.conversions
            WHEN 'revenue' THEN s.revenue
            WHEN 'leads' THEN s.leads
            WHEN 'installs' THEN s.installs
            WHEN 'purchases' THEN s.purchases
            WHEN 'visitors' THEN s.visitors
            ELSE s.profit
        END AS new
    FROM steps s
    JOIN metrics m ON (s.changed & m.bit) <> 0
    WHERE s.restated
)
SELECT
    m.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    m.date,
    m.changed_at,
    date_diff('day', m.date, (m.changed_at AT TIME ZONE coalesce(c.timezone, 'UTC'))::DATE) AS age_days,
    m.level,
    m.external_id,
    leaf.name,
    m.campaign_id,
    m.cause,
    m.metric,
    m.old * m.unit AS before,
    m.new * m.unit AS after,
    (m.new - m.old) * m.unit AS delta
FROM moved m
LEFT JOIN connections c ON c.id = m.connection_id
LEFT JOIN known_entities leaf
    ON leaf.connection_id = m.connection_id AND leaf.level = m.level AND leaf.external_id = m.external_id;
