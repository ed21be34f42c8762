-- The campaigns of a connection that delivered on the last two days with numbers, and how many leaves each of them had there; null where
-- only its total is stored.
WITH totals AS (
    SELECT campaign_id, date FROM platform_totals WHERE connection_id = $connection_id AND level = 'campaign'
), leaves AS (
    SELECT campaign_id, date, external_id FROM metric_facts WHERE connection_id = $connection_id
), latest AS (
    SELECT max(date) - 1 AS since FROM (SELECT date FROM totals UNION ALL SELECT date FROM leaves)
), counted AS (
    SELECT campaign_id, count(DISTINCT external_id) AS leaves FROM leaves, latest WHERE date >= since GROUP BY campaign_id
)
SELECT campaign_id, leaves
FROM (SELECT DISTINCT campaign_id FROM totals, latest WHERE date >= since)
FULL JOIN counted USING (campaign_id)
ORDER BY campaign_id
