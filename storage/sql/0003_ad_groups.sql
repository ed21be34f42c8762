-- Ad groups are what ad sets are; an asset group has none above it.

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
LEFT JOIN entities leaf
    ON leaf.connection_id = n.connection_id AND leaf.level = n.level AND leaf.external_id = n.external_id
LEFT JOIN entities ad_set
    ON ad_set.connection_id = n.connection_id AND ad_set.level IN ('adset', 'ad_group') AND ad_set.external_id = leaf.parent_id
LEFT JOIN entities campaign
    ON campaign.connection_id = n.connection_id AND campaign.level = 'campaign' AND campaign.external_id = n.campaign_id;

