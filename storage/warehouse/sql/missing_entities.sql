-- Entities with numbers in {{ table }} on the days and in the campaigns covered that the answers lack and that are not stored as deleted, with their parents:
-- the ad set as stored, and the status of a campaign or ad set that is deleted. Entities whose status the answers leave out are not
-- listed: nothing follows from their missing rows. Nor are those whose rows were refused.
WITH absent AS (
    SELECT f.connection_id, f.level, f.external_id, max(f.campaign_id) AS campaign_id
    FROM {{ table }} f
    JOIN coverage c USING (connection_id, date)
    ANTI JOIN answer USING (connection_id, level, external_id, date)
    ANTI JOIN refused USING (connection_id, level, external_id, date)
    WHERE {{ covers("c", "f.campaign_id") }} AND ({{ metrics | for_each("f.{name} <> 0", " OR ") }})
    GROUP BY f.connection_id, f.level, f.external_id
), known AS (
    SELECT connection_id, level, external_id, coalesce(n.parent_id, e.parent_id) AS parent_id, coalesce(n.status, e.status) AS status
    FROM entities e
    FULL JOIN entities_next n USING (connection_id, level, external_id)
), deleted_parents AS (
    SELECT connection_id, external_id, status FROM known WHERE level IN ('campaign', 'adset') AND status IN (FROM deleted_statuses)
)
SELECT
    a.level,
    a.external_id,
    a.campaign_id,
    k.parent_id AS ad_set_id,
    CASE WHEN a.level <> 'campaign' THEN coalesce(campaign.status, ad_set.status) END AS deleted_parent
FROM absent a
LEFT JOIN known k USING (connection_id, level, external_id)
LEFT JOIN deleted_parents campaign ON campaign.connection_id = a.connection_id AND campaign.external_id = a.campaign_id
LEFT JOIN deleted_parents ad_set ON ad_set.connection_id = a.connection_id AND ad_set.external_id = k.parent_id
ANTI JOIN left_out o ON o.level = a.level AND o.status = k.status
WHERE coalesce(k.status, '') NOT IN (FROM deleted_statuses)
ORDER BY a.level, a.external_id
